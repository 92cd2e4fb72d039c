/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of an emulated arm64 kernel, see ci/check-arm64-kernel. With "vdso" as argument
 * it prints that as hexadecimal digits; else it loads the sampler, has it sample /work for a while
 * and prints the stacks. Rows come from files, made on the build machine.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "profiler/bpf/shared.h"

enum { VDSO_BYTES = 4096, SECONDS = 15, PERIOD_NS = 5000000, CPUS = 2 };

static struct fg_bpf_arena arena;
static struct fg_bpf_pages pages;
static struct fg_bpf_shard shard;
static size_t row_count, page_count, mapping_count;

static void check(bool good, const char *what)
{
	if (good)
		return;
	printf("FAILED %s: %m\n", what);
	sync();
	reboot(RB_POWER_OFF);
}

static void print_vdso(void)
{
	const unsigned char *image = (const void *)getauxval(AT_SYSINFO_EHDR);

	printf("VDSO ");
	for (size_t i = 0; image && i < VDSO_BYTES; i++)
		printf("%02x", image[i]);
	printf(" END\n");
}

/* What tests/arm64/rows.c wrote; modules are numbered in the order of calls. */
static void add_module(const char *path, uint64_t bias)
{
	uint64_t head[3];
	FILE *file = fopen(path, "rb");

	check(file && fread(head, sizeof(head), 1, file) == 1, path);
	check(fread(shard.rows + row_count, sizeof(shard.rows[0]), head[2], file) == head[2], path);
	uint64_t first = head[0] >> FG_PAGE_SHIFT;
	uint64_t last = (head[1] + (1 << FG_PAGE_SHIFT) - 1) >> FG_PAGE_SHIFT;
	size_t row = row_count, end = row_count + head[2];

	for (uint64_t page = first; page <= last; page++) {
		while (row + 1 < end && shard.rows[row + 1].address <= page << FG_PAGE_SHIFT)
			row++;
		pages.first[page_count + page - first] = (uint32_t)row;
	}
	arena.starts[mapping_count] = head[0] + bias;
	arena.mappings[mapping_count] = (struct fg_bpf_mapping){
		.end = head[1] + bias,
		.bias = bias,
		.first_page = (uint32_t)page_count,
		.vaddr_pages = (uint32_t)first,
		.module = (uint16_t)(FG_MODULE_FIRST + mapping_count),
		.kind = FG_MAP_ROWS,
		.generation = 1,
	};
	page_count += last - first + 1;
	row_count = end;
	mapping_count++;
	(void)fclose(file);
}

static uint64_t find_vdso(pid_t pid)
{
	char path[64], line[512];
	uint64_t start = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, "[vdso]"))
			start = strtoull(line, NULL, 16);
	if (file)
		(void)fclose(file);
	return start;
}

static void put(struct bpf_object *object, const char *map, const void *key, const void *value)
{
	check(bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, map), key, value, 0) == 0,
	      map);
}

static void aim(struct bpf_object *object, pid_t pid)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	uint32_t zero = 0, tgid = (uint32_t)pid;
	struct fg_bpf_target target = {.space = {0, (uint32_t)mapping_count, 1}};
	int rows = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rows", 4, sizeof(shard), 1, &options);

	check(rows >= 0 && bpf_map_update_elem(rows, &zero, &shard, 0) == 0, "rows");
	put(object, "fg_arena", &zero, &arena);
	put(object, "fg_pages", &zero, &pages);
	put(object, "fg_shards", &zero, &rows);
	put(object, "fg_targets", &tgid, &target);
	for (int cpu = 0; cpu < CPUS; cpu++) {
		struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE,
						.config = PERF_COUNT_SW_CPU_CLOCK,
						.size = sizeof(event),
						.sample_period = PERIOD_NS};
		int fd = (int)syscall(SYS_perf_event_open, &event, -1, cpu, -1, 0);
		struct bpf_program *program = bpf_object__find_program_by_name(object, "fg_sample");

		check(fd >= 0 && bpf_program__attach_perf_event(program, fd), "perf event");
	}
}

static int print_sample(void *context, void *data, size_t len)
{
	const struct fg_bpf_sample *sample = data;

	(void)context, (void)len;
	printf("SAMPLE %u %u %u", sample->result, sample->guessed, sample->kernel_count);
	for (unsigned i = 0; i < sample->user_count; i++) {
		uint64_t frame = sample->frames[sample->kernel_count + i];

		printf(" %llu:%llx", (unsigned long long)(frame >> FG_FRAME_MODULE_SHIFT) & 0x7fff,
		       (unsigned long long)(frame & FG_FRAME_ADDRESS_MASK));
	}
	printf("\n");
	return 0;
}

static void print_programs(struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		struct bpf_prog_info info = {0};
		unsigned len = sizeof(info);

		check(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len) == 0, "info");
		printf("PROGRAM %s %u\n", info.name, info.verified_insns);
	}
}

static void sample(void)
{
	struct bpf_object *object = bpf_object__open_file("/sampler.o", NULL);
	pid_t pid = fork();

	if (pid == 0) {
		execl("/work", "work", NULL);
		_exit(1);
	}
	check(object && bpf_object__load(object) == 0, "load");
	print_programs(object);
	sleep(1);
	add_module("/work.rows", 0);
	add_module("/vdso.rows", find_vdso(pid));
	aim(object, pid);
	int ring_fd = bpf_object__find_map_fd_by_name(object, "fg_samples");
	struct ring_buffer *ring = ring_buffer__new(ring_fd, print_sample, NULL, NULL);

	check(ring, "ring");
	for (int i = 0; i < SECONDS; i++) {
		sleep(1);
		ring_buffer__consume(ring);
	}
	kill(pid, SIGKILL);
}

int main(int argc, char **argv)
{
	struct utsname names;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	check(uname(&names) == 0, "uname");
	printf("KERNEL %s %s\n", names.release, names.machine);
	if (argc > 1 && strcmp(argv[1], "vdso") == 0)
		print_vdso();
	else
		sample();
	printf("DONE\n");
	fflush(stdout);
	sleep(1);
	reboot(RB_POWER_OFF);
	return 0;
}
