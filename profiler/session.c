/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "gate/base/file.h"
#include "profiler/bpf/sampler.skel.h"
#include "profiler/perf_ring.h"
#include "profiler/rights.h"
#include "profiler/session_types.h"

struct fg_session {
	struct fg_sampler *object;
	bool oracle;
	uint32_t pid_namespace; /* inode number; 0: the kernel's first */
	int *perf_fds;
	struct bpf_link **perf_links;
	uint32_t cpus; /* with an event */
	struct fg_unwind_row *shards[FG_SHARDS_MAX];
	int shard_fds[FG_SHARDS_MAX];
	uint32_t *pages;
	struct fg_bpf_arena *arena;
	struct fg_bpf_stats *stats; /* one per possible CPU */
	int possible_cpus;
	struct fg_session_types types;
};

/* libbpf prints its reasons; the last lines of them are the best error text there is. The buffer
 * is static because libbpf's callback has no context; the helper loads one object, once. */
enum { LOG_MAX = 1024, LINE_MAX_BYTES = 400, DATA_BYTES_MAX = 1 << 30 };
static char log_text[LOG_MAX];

FG_PRINTF(2, 0)
static int keep_log(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t used = strlen(log_text);
	char message[4096], *line = message;

	if (level != LIBBPF_WARN)
		return 0;
	(void)vsnprintf(message, sizeof(message), format, args);
	/* The verifier's log comes as one message of many lines, its reason in the last ones. */
	size_t len = strlen(message);

	if (len > LINE_MAX_BYTES)
		line += len - LINE_MAX_BYTES;
	for (char *at = line; (at = strchr(at, '\n')); at++)
		*at = at[1] ? ' ' : '\0';
	if (used + strlen(line) + 3 > sizeof(log_text)) {
		used = 0;
		log_text[0] = '\0';
	}
	(void)snprintf(log_text + used, sizeof(log_text) - used, "%s%.*s", used ? "; " : "",
		       (int)LINE_MAX_BYTES, line);
	return 0;
}

static int load_error(int errnum, struct fg_err *err)
{
	char fix[FG_RIGHTS_TEXT_MAX];

	/* EACCES is the verifier's: it takes the program for unsafe. Rights would not help. */
	if (errnum == EPERM)
		return fg_err_set(err, FG_E_PERMISSION, "loading BPF programs was refused: %s",
				  fg_rights_fix(fix));
	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "this kernel has no type information (/sys/kernel/btf/vmlinux); "
				  "needed: CONFIG_DEBUG_INFO_BTF, Linux 5.8 or newer");
	return fg_err_set(err, FG_E_UNSUPPORTED, "loading BPF programs failed: %s (%s)",
			  strerror(errnum), log_text);
}

static void set_limits(void)
{
	/* Before 5.11 BPF memory counts against this limit; one event per CPU needs files. */
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	/* What libelf and libdw may take for a target's file that lies about its sections. */
	const struct rlimit data = {DATA_BYTES_MAX, DATA_BYTES_MAX};
	struct rlimit files;

	(void)setrlimit(RLIMIT_DATA, &data);
	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* Opens, decides and loads; with errno on failure. */
static struct fg_sampler *load_object(struct fg_session *session, uint32_t types)
{
	struct fg_sampler *object = fg_sampler__open();

	if (!object)
		return NULL;
	object->rodata->fg_oracle = session->oracle;
	object->rodata->fg_ns_inum = session->pid_namespace;
	(void)bpf_program__set_autoload(object->progs.fg_exit, session->pid_namespace != 0);
	fg_session_types_choose(&session->types, object->obj, types);
	if (fg_sampler__load(object) != 0) {
		int errnum = errno;

		fg_sampler__destroy(object);
		errno = errnum;
		return NULL;
	}
	return object;
}

static int map_shared(struct fg_session *session, struct fg_err *err)
{
	const int protection = PROT_READ | PROT_WRITE;
	void *pages = mmap(NULL, sizeof(struct fg_bpf_pages), protection, MAP_SHARED,
			   bpf_map__fd(session->object->maps.fg_pages), 0);

	if (pages == MAP_FAILED)
		return fg_err_errno(err, errno, "mapping the page index");
	session->pages = pages;
	void *arena = mmap(NULL, sizeof(struct fg_bpf_arena), protection, MAP_SHARED,
			   bpf_map__fd(session->object->maps.fg_arena), 0);

	if (arena == MAP_FAILED)
		return fg_err_errno(err, errno, "mapping the address spaces");
	session->arena = arena;
	return 0;
}

int fg_session_new(const struct fg_session_options *options, struct fg_session **ret,
		   struct fg_err *err)
{
	struct fg_session *session = calloc(1, sizeof(*session));

	if (!session)
		return fg_err_nomem(err);
	session->oracle = options->oracle;
	for (size_t i = 0; i < FG_SHARDS_MAX; i++)
		session->shard_fds[i] = -1;
	session->possible_cpus = libbpf_num_possible_cpus();
	if (session->possible_cpus <= 0 || session->possible_cpus > FG_SESSION_CPUS_MAX) {
		fg_session_free(session);
		return fg_err_set(err, FG_E_UNSUPPORTED, "cannot tell the number of CPUs");
	}
	size_t cpus = (size_t)session->possible_cpus;

	session->stats = calloc(cpus, sizeof(*session->stats));
	session->perf_fds = calloc(cpus, sizeof(*session->perf_fds));
	session->perf_links = calloc(cpus, sizeof(struct bpf_link *));
	if (!session->stats || !session->perf_fds || !session->perf_links) {
		fg_session_free(session);
		return fg_err_nomem(err);
	}
	int rc = fg_rights_pid_namespace(&session->pid_namespace, err);

	if (rc) {
		fg_session_free(session);
		return rc;
	}
	set_limits();
	(void)libbpf_set_print(keep_log);
	session->object = load_object(session, options->types);
	if (!session->object) {
		int errnum = errno;

		fg_session_free(session);
		return load_error(errnum, err);
	}
	rc = map_shared(session, err);
	if (rc) {
		fg_session_free(session);
		return rc;
	}
	*ret = session;
	return 0;
}

void fg_session_free(struct fg_session *session)
{
	if (!session)
		return;
	for (uint32_t i = 0; i < session->cpus; i++) {
		(void)bpf_link__destroy(session->perf_links[i]); /* closes the event */
	}
	for (size_t i = 0; i < FG_SHARDS_MAX; i++) {
		if (session->shards[i])
			(void)munmap(session->shards[i], sizeof(struct fg_bpf_shard));
		if (session->shard_fds[i] >= 0)
			close(session->shard_fds[i]);
	}
	if (session->pages)
		(void)munmap(session->pages, sizeof(struct fg_bpf_pages));
	fg_session_types_done(&session->types);
	if (session->arena)
		(void)munmap(session->arena, sizeof(struct fg_bpf_arena));
	fg_sampler__destroy(session->object);
	free(session->stats);
	free(session->perf_fds);
	free(session->perf_links);
	free(session);
}

static int open_event(const struct fg_session *session, int cpu, uint64_t period_ns)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
		.disabled = 1,
	};

	if (session->oracle)
		fg_perf_sample_attr(&attr, FG_PERF_STACK_BYTES_MAX, false);
	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static int event_error(int errnum, struct fg_err *err)
{
	char fix[FG_RIGHTS_TEXT_MAX];

	if (errnum == EACCES || errnum == EPERM)
		return fg_err_set(err, FG_E_PERMISSION, "perf events were refused: %s",
				  fg_rights_fix(fix));
	return fg_err_errno(err, errnum, "opening a cpu-clock event");
}

static void *do_nothing(void *unused)
{
	return unused;
}

/* Follows exits, and has the kernel side see a process of our own namespace start something. */
static int join_namespace(struct fg_session *session, struct fg_err *err)
{
	struct fg_sampler *object = session->object;

	object->links.fg_exit = bpf_program__attach(object->progs.fg_exit);
	if (!object->links.fg_exit)
		return load_error(errno, err);
	pthread_t thread;
	int errnum = pthread_create(&thread, NULL, do_nothing, NULL);

	if (errnum)
		return fg_err_errno(err, errnum, "starting a thread");
	(void)pthread_join(thread, NULL);
	if (!object->bss->fg_ns_level)
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "the kernel side does not find this PID namespace; fix: docker "
				  "run --pid=host (Kubernetes: hostPID: true)");
	return 0;
}

int fg_session_attach(struct fg_session *session, uint64_t period_ns, struct fg_err *err)
{
	for (int cpu = 0; cpu < session->possible_cpus; cpu++) {
		int fd = open_event(session, cpu, period_ns);

		if (fd < 0 && errno == ENODEV)
			continue; /* an offline CPU */
		if (fd < 0)
			return event_error(errno, err);
		struct bpf_link *link =
			bpf_program__attach_perf_event(session->object->progs.fg_sample, fd);

		if (!link) {
			int errnum = errno;

			close(fd);
			return load_error(errnum, err);
		}
		session->perf_fds[session->cpus] = fd;
		session->perf_links[session->cpus] = link;
		session->cpus++;
	}
	if (!session->cpus)
		return fg_err_set(err, FG_E_UNSUPPORTED, "no CPU took a cpu-clock event");
	/* libbpf enables each event as it attaches; sampling begins when the caller says so. */
	int rc = fg_session_enable(session, false, err);

	if (rc)
		return rc;
	struct fg_sampler *object = session->object;

	object->links.fg_fork = bpf_program__attach(object->progs.fg_fork);
	object->links.fg_exec = bpf_program__attach(object->progs.fg_exec);
	object->links.fg_free = bpf_program__attach(object->progs.fg_free);
	if (!object->links.fg_fork || !object->links.fg_exec || !object->links.fg_free)
		return load_error(errno, err);
	rc = session->pid_namespace ? join_namespace(session, err) : 0;
	return rc ? rc : fg_session_types_attach(&session->types, err);
}

int fg_session_enable(struct fg_session *session, bool on, struct fg_err *err)
{
	unsigned long request = on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;

	for (uint32_t i = 0; i < session->cpus; i++) {
		if (ioctl(session->perf_fds[i], request, 0) != 0)
			return fg_err_errno(err, errno, "switching a cpu-clock event");
	}
	return fg_session_types_enable(&session->types, on, err);
}

struct fg_session_types *fg_session_types(struct fg_session *session)
{
	return &session->types;
}

int fg_session_event_fd(const struct fg_session *session, uint32_t i)
{
	return session->perf_fds[i];
}

uint32_t fg_session_cpus(const struct fg_session *session)
{
	return session->cpus;
}

size_t fg_session_programs(const struct fg_session *session,
			   struct fg_session_program out[FG_SESSION_PROGRAMS_MAX])
{
	struct bpf_program *program;
	size_t count = 0;

	bpf_object__for_each_program(program, session->object->obj)
	{
		if (!bpf_program__autoload(program))
			continue;
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);

		if (count == FG_SESSION_PROGRAMS_MAX)
			break;
		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len) != 0)
			continue;
		out[count].name = bpf_program__name(program);
		out[count].verified_instructions = info.verified_insns;
		out[count].code_bytes = info.jited_prog_len;
		count++;
	}
	return count;
}

int fg_session_shard(struct fg_session *session, uint32_t shard, struct fg_unwind_row **ret,
		     struct fg_err *err)
{
	const struct bpf_map_create_opts options = {.sz = sizeof(options),
						    .map_flags = BPF_F_MMAPABLE};

	if (shard >= FG_SHARDS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more unwind rows than %d shards hold",
				  FG_SHARDS_MAX);
	if (session->shards[shard]) {
		*ret = session->shards[shard];
		return 0;
	}
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "fg_shard", sizeof(uint32_t),
				sizeof(struct fg_bpf_shard), 1, &options);

	if (fd < 0)
		return fg_err_errno(err, errno, "making a shard of unwind rows");
	void *rows =
		mmap(NULL, sizeof(struct fg_bpf_shard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (rows == MAP_FAILED) {
		int rc = fg_err_errno(err, errno, "mapping a shard of unwind rows");

		close(fd);
		return rc;
	}
	if (bpf_map_update_elem(bpf_map__fd(session->object->maps.fg_shards), &shard, &fd,
				BPF_ANY) != 0) {
		int rc = fg_err_errno(err, errno, "adding a shard of unwind rows");

		(void)munmap(rows, sizeof(struct fg_bpf_shard));
		close(fd);
		return rc;
	}
	session->shards[shard] = rows;
	session->shard_fds[shard] = fd;
	*ret = rows;
	return 0;
}

uint32_t *fg_session_pages(struct fg_session *session)
{
	return session->pages;
}

struct fg_bpf_arena *fg_session_arena(struct fg_session *session)
{
	return session->arena;
}

int fg_session_add_target(struct fg_session *session, uint32_t tgid, struct fg_err *err)
{
	const struct fg_bpf_target target = {0};

	session->object->bss->fg_target_marks[tgid & (FG_TARGET_MARKS - 1)] = 1;
	if (bpf_map_update_elem(bpf_map__fd(session->object->maps.fg_targets), &tgid, &target,
				BPF_NOEXIST) != 0 &&
	    errno != EEXIST)
		return fg_err_errno(err, errno, "adding process %u to the set", tgid);
	return 0;
}

int fg_session_set_target(struct fg_session *session, uint32_t tgid,
			  const struct fg_bpf_range *space, struct fg_err *err)
{
	int map = bpf_map__fd(session->object->maps.fg_targets);
	struct fg_bpf_target target = {0};

	/* Keeps the identity that fork has stored. */
	if (bpf_map_lookup_elem(map, &tgid, &target) != 0)
		return 0;
	target.space = *space;
	target.miss_interval_ms = 0;
	if (bpf_map_update_elem(map, &tgid, &target, BPF_EXIST) != 0 && errno != ENOENT)
		return fg_err_errno(err, errno, "updating process %u in the set", tgid);
	return 0;
}

int fg_session_set_script(struct fg_session *session, uint32_t tgid,
			  const struct fg_bpf_script *how, struct fg_err *err)
{
	int targets = bpf_map__fd(session->object->maps.fg_targets);
	struct fg_bpf_target target;

	if (bpf_map_update_elem(bpf_map__fd(session->object->maps.fg_script_images), &how->image,
				how, BPF_ANY) != 0)
		return fg_err_errno(err, errno, "describing the interpreter of process %u", tgid);
	if (bpf_map_lookup_elem(targets, &tgid, &target) != 0)
		return 0;
	target.image = how->image;
	if (bpf_map_update_elem(targets, &tgid, &target, BPF_EXIST) != 0 && errno != ENOENT)
		return fg_err_errno(err, errno, "updating process %u in the set", tgid);
	return 0;
}

void fg_session_drop_target(struct fg_session *session, uint32_t tgid)
{
	(void)bpf_map_delete_elem(bpf_map__fd(session->object->maps.fg_targets), &tgid);
}

int fg_session_stats(struct fg_session *session, struct fg_bpf_stats *ret, struct fg_err *err)
{
	const uint32_t zero = 0;
	struct fg_bpf_stats sum = {0};

	if (bpf_map_lookup_elem(bpf_map__fd(session->object->maps.fg_stats), &zero,
				session->stats) != 0)
		return fg_err_errno(err, errno, "reading the sampler's counts");
	for (int i = 0; i < session->possible_cpus; i++) {
		sum.hits += session->stats[i].hits;
		sum.samples += session->stats[i].samples;
		sum.lost += session->stats[i].lost;
		sum.lost_events += session->stats[i].lost_events;
		sum.bpf_ns += session->stats[i].bpf_ns;
		sum.frames += session->stats[i].frames;
		sum.kernel_walks += session->stats[i].kernel_walks;
		sum.kernel_checks += session->stats[i].kernel_checks;
		sum.kernel_differ += session->stats[i].kernel_differ;
		sum.kernel_given_up += session->stats[i].kernel_given_up;
	}
	*ret = sum;
	return 0;
}

int fg_session_set_kernel_table(struct fg_session *session, const struct fg_bpf_kernel_table *table,
				struct fg_err *err)
{
	const int map = bpf_map__fd(session->object->maps.fg_kernel_table);
	const uint32_t zero = 0;
	struct fg_bpf_kernel_table not_yet = *table;

	/* Nobody may see half of it: its length comes when all else is there. */
	not_yet.text_bytes = 0;
	if (bpf_map_update_elem(map, &zero, &not_yet, BPF_ANY) != 0 ||
	    bpf_map_update_elem(map, &zero, table, BPF_ANY) != 0)
		return fg_err_errno(err, errno, "telling where the kernel's unwind table is");
	return 0;
}

int fg_session_copy_kernel(struct fg_session *session, uint64_t from, void *to, size_t bytes,
			   enum fg_orc_format *ret, struct fg_err *err)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	struct fg_sampler__bss *bss = session->object->bss;

	bss->fg_copy_from = from;
	bss->fg_copy_bytes = (uint32_t)bytes;
	if (bytes > sizeof(bss->fg_copied) ||
	    bpf_prog_test_run_opts(bpf_program__fd(session->object->progs.fg_kernel_copy), &run) !=
		    0)
		return fg_err_errno(err, errno, "copying the kernel's unwind table");
	if (run.retval == FG_ORC_FORMAT_NONE || run.retval > FG_ORC_FORMAT_6_4)
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "the kernel's unwind table is unknown or cannot be read");
	memcpy(to, bss->fg_copied, bytes);
	*ret = (enum fg_orc_format)run.retval;
	return 0;
}

void fg_session_copy_end(struct fg_session *session)
{
	bpf_program__unload(session->object->progs.fg_kernel_copy);
}

int fg_session_sample_ring(const struct fg_session *session)
{
	return bpf_map__fd(session->object->maps.fg_samples);
}

int fg_session_name_ring(const struct fg_session *session)
{
	return bpf_map__fd(session->object->maps.fg_script_names);
}

int fg_session_event_ring(const struct fg_session *session)
{
	return bpf_map__fd(session->object->maps.fg_events);
}

int fg_session_requests_map(const struct fg_session *session)
{
	return bpf_map__fd(session->object->maps.fg_requests);
}

int fg_session_labels_on_map(const struct fg_session *session)
{
	return bpf_map__fd(session->object->maps.fg_labels_on);
}
