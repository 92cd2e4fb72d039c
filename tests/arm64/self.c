/* SPDX-License-Identifier: Apache-2.0 */
/* usage: self ROWS. See README.md here. Static, not position-independent. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "tests/kit/bpf_arm64.h"

enum { FRAMES = 128, PHASE_SAMPLES = 1000, PHASE_SECONDS_MAX = 60 };

static long bpf_probe_read_user(void *ret, __u64 len, const void *address)
{
	memcpy(ret, address, len);
	return 0;
}

/* As the vDSO's and musl's: no call-frame information, and a word before it. */
__asm__(".text\n.p2align 4\nnop\nself_restorer: mov x8, #139\nsvc #0\n.p2align 4\n");
void self_restorer(void);

struct walk {
	uint64_t frames[FRAMES];
	size_t count;
	uint64_t from; /* frames before this address are the handler's own; 0: all count */
};

static struct {
	size_t samples, frames, deepest, guessed, wrong;
	size_t beyond; /* libgcc's ends where no call-frame information is: in the PLT */
} tally;
static volatile uint64_t sink;

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *argument)
{
	struct walk *walk = argument;
	int exact = 0;
	uint64_t ip = _Unwind_GetIPInfo(context, &exact);

	if (walk->count == 0 && walk->from && ip != walk->from)
		return _URC_NO_REASON;
	if (walk->count == FRAMES)
		return _URC_END_OF_STACK;
	if (ip)
		walk->frames[walk->count++] = ip - (exact ? 0 : 1);
	return _URC_NO_REASON;
}

static void show(const struct walk *theirs)
{
	const struct fg_bpf_sample *ours = &host_state.sample;

	printf("differs (our result %u):\n", ours->result);
	for (size_t i = 0; i < theirs->count || i < ours->user_count; i++)
		printf("  %#12lx %#12lx\n", i < theirs->count ? theirs->frames[i] : 0,
		       i < ours->user_count
			       ? (unsigned long)(ours->frames[i] & FG_FRAME_ADDRESS_MASK)
			       : 0);
}

/* libgcc's own look-up. */
struct bases {
	void *text, *data, *function;
};
const void *_Unwind_Find_FDE(void *address, struct bases *ret);

static bool ends_without_rule(const struct walk *walk)
{
	struct bases bases;

	return walk->count && !_Unwind_Find_FDE((void *)walk->frames[walk->count - 1], &bases);
}

static void compare(const struct walk *theirs)
{
	const struct fg_bpf_sample *ours = &host_state.sample;
	bool same = ours->user_count >= theirs->count, more = ours->user_count > theirs->count;

	for (size_t i = 0; same && i < theirs->count; i++)
		same = (ours->frames[i] & FG_FRAME_ADDRESS_MASK) == theirs->frames[i];
	tally.samples++;
	tally.frames += ours->user_count;
	tally.guessed += ours->guessed;
	if (ours->user_count > tally.deepest)
		tally.deepest = ours->user_count;
	if (same && more && ends_without_rule(theirs))
		tally.beyond++;
	else if (more)
		same = false;
	if (same && ours->result == FG_BPF_COMPLETE)
		return;
	if (tally.wrong++ < 5)
		show(theirs);
}

/* From where the signal came, then from here: through its frame. */
static void handler(int number, siginfo_t *info, void *argument)
{
	const mcontext_t *machine = &((ucontext_t *)argument)->uc_mcontext;
	struct fg_arch_regs regs = {.ip = machine->pc,
				    .sp = machine->sp,
				    .bp = machine->regs[29],
				    .lr = machine->regs[30]};
	struct walk theirs = {.from = machine->pc};

	(void)number, (void)info;
	_Unwind_Backtrace(note, &theirs);
	host_unwind(&regs);
	compare(&theirs);
	struct walk whole = {.from = 0};

	_Unwind_Backtrace(note, &whole);
	uint64_t here;

	regs = (struct fg_arch_regs){0};
	__asm__ volatile("adr %0, .\n mov %1, sp\n mov %2, x29"
			 : "=r"(here), "=r"(regs.sp), "=r"(regs.bp));
	regs.ip = here;
	host_unwind(&regs);
	/* both are in this function, at different instructions */
	whole.frames[0] = here;
	compare(&whole);
}

static __attribute__((noinline)) uint64_t leaf(uint64_t value)
{
	for (int i = 0; i < 40; i++)
		value = value * 6364136223846793005u + 1442695040888963407u;
	return value;
}

static __attribute__((noinline)) uint64_t recurse(int depth)
{
	if (depth == 0)
		return leaf(1);
	uint64_t below = recurse(depth - 1);

	return leaf(below) + (uint64_t)depth;
}

static __attribute__((noinline)) uint64_t large(uint64_t value)
{
	char bytes[12000];

	memset(bytes, (int)value, sizeof(bytes));
	sink += leaf((uint64_t)bytes[value % sizeof(bytes)]);
	return (uint64_t)bytes[100] + value;
}

static __attribute__((noinline)) uint64_t variable(size_t len)
{
	char *bytes = __builtin_alloca(len);

	memset(bytes, 1, len);
	sink += large((uint64_t)bytes[len / 2]);
	return leaf((uint64_t)bytes[0]);
}

static int by_value(const void *left, const void *right)
{
	uint64_t a = leaf(*(const uint64_t *)left), b = leaf(*(const uint64_t *)right);

	return a < b ? -1 : a > b;
}

static void work(void)
{
	uint64_t values[64];
	char text[128];

	for (size_t i = 0; i < 64; i++)
		values[i] = leaf(i);
	qsort(values, 64, sizeof(values[0]), by_value);
	sink += recurse(12) + variable(300 + values[0] % 700);
	(void)snprintf(text, sizeof(text), "%g %s %zu", (double)values[1], "text", sizeof(text));
	void *memory = malloc(1000 + values[2] % 100000);

	sink += memory ? strlen(text) : 0;
	free(memory);
}

static void *work_on(void *argument)
{
	size_t enough = tally.samples + PHASE_SAMPLES;
	struct timespec start, now;
	sigset_t alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		work();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (tally.samples < enough && now.tv_sec - start.tv_sec < PHASE_SECONDS_MAX);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	return tally.samples < enough ? argument : NULL;
}

static void load(const char *path)
{
	static struct fg_unwind_row rows[FG_ROWS_PER_SHARD];
	uint64_t head[3];
	FILE *file = fopen(path, "rb");

	if (!file || fread(head, sizeof(head), 1, file) != 1 || head[2] > FG_ROWS_PER_SHARD ||
	    fread(rows, sizeof(rows[0]), head[2], file) != head[2]) {
		perror(path);
		_exit(2);
	}
	(void)fclose(file);
	host_load(rows, head[2], head[0], head[1], 0);
}

static void start_timer(void)
{
	const struct {
		void (*handler)(int, siginfo_t *, void *);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} action = {handler, SA_SIGINFO | SA_RESTART | 0x04000000 /* SA_RESTORER */, self_restorer,
		    UINT64_MAX};
	const struct itimerval every = {{0, 2000}, {0, 2000}};

	if (syscall(SYS_rt_sigaction, SIGALRM, &action, NULL, sizeof(uint64_t)) ||
	    setitimer(ITIMER_REAL, &every, NULL)) {
		perror("timer");
		_exit(2);
	}
}

int main(int argc, char **argv)
{
	struct walk first = {.from = 0};
	pthread_t thread;
	sigset_t alarm;
	void *few = &first;

	if (argc != 2)
		return 2;
	load(argv[1]);
	_Unwind_Backtrace(note, &first); /* what it allocates, it allocates here */
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	start_timer();
	/* one thread at a time: there is one state */
	if (work_on(&first) || pthread_create(&thread, NULL, work_on, &first) ||
	    pthread_join(thread, &few) || few) {
		printf("too few samples: %zu\n", tally.samples);
		return 1;
	}
	printf("%zu stacks of up to %zu frames, %zu frames: %zu differ from libgcc's, %zu go on "
	       "where it "
	       "ends in the PLT, %zu guessed frames\n",
	       tally.samples, tally.deepest, tally.frames, tally.wrong, tally.beyond,
	       tally.guessed);
	return tally.wrong || tally.guessed ? 1 : 0;
}
