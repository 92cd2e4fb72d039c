/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While a recording goes on: one poll() over the profiler's stream, the targets' ends and the
 * signals, and the line that tells how it goes.
 */
#include "runner/run/record_internal.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "gate/base/vec.h"
#include "gate/report/table.h"

enum { FIXED_FDS = 2, BAR_COLUMNS = 20 };

#define REDRAW_NS      (500 * FG_NS_PER_MS)
#define LINE_NS        (10 * FG_NS_PER_S)
#define CHILD_GRACE_NS (2 * FG_NS_PER_S)

static void signals_of(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGHUP);
}

int fg_record_signals_take(struct fg_record *record, struct fg_err *err)
{
	sigset_t set;

	signals_of(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return fg_err_set(err, FG_E_INTERNAL, "cannot block signals");
	record->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (record->signal_fd < 0)
		return fg_err_set(err, FG_E_INTERNAL, "cannot watch signals");
	return 0;
}

void fg_record_signals_leave(struct fg_record *record)
{
	sigset_t set;

	if (record->signal_fd < 0)
		return;
	close(record->signal_fd);
	record->signal_fd = -1;
	signals_of(&set);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* A terminal's Ctrl-C went to the command too; what was sent to us alone is passed on. Either way
 * it has been told once: a second signal would hit it while it puts its things in order. */
static void take_signal(struct fg_record *record)
{
	struct signalfd_siginfo info;

	if (read(record->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	record->end = FG_RECORD_INTERRUPTED;
	record->end_ns = fg_clock_monotonic_ns();
	record->child.is_told = true;
	if (record->child.pid && !record->child.has_ended && info.ssi_code != SI_KERNEL)
		(void)kill(record->child.pid, (int)info.ssi_signo);
}

static void read_cpu(struct fg_record *record, uint64_t now_ns)
{
	/* What was used since the last reading belongs to the time before this one. */
	uint64_t elapsed_ns = now_ns - record->start_ns;
	size_t second = (size_t)((elapsed_ns - FG_MIN(elapsed_ns, REDRAW_NS / 2)) / FG_NS_PER_S);
	struct fg_cpu_series *cpu = &record->cpu;
	uint64_t total_ns = record->cpu_total_ns;

	if (!record->cputime)
		return;
	(void)fg_cputime_read(record->cputime, &total_ns, NULL);
	if (second >= FG_CPU_SECONDS_MAX ||
	    fg_vec_grow((void **)&cpu->cpu_ns, &cpu->capacity, second + 1, FG_CPU_SECONDS_MAX,
			sizeof(*cpu->cpu_ns), NULL))
		return;
	cpu->count = FG_MAX(cpu->count, second + 1);
	cpu->cpu_ns[second] += total_ns - record->cpu_total_ns;
	record->cpu_total_ns = total_ns;
}

/* -- what is told meanwhile ---------------------------------------------------------------------
 */

static void add_clock(struct fg_buf *out, uint64_t ns)
{
	unsigned long long s = ns / FG_NS_PER_S;

	fg_buf_addf(out, "%llu:%02llu", s / 60, s % 60);
}

static void add_bar(struct fg_buf *out, double share)
{
	int done = (int)(share * BAR_COLUMNS);

	fg_buf_add_str(out, "  [");
	for (int i = 0; i < BAR_COLUMNS; i++)
		fg_buf_add_char(out, i < done ? '=' : i == done ? '>' : ' ');
	fg_buf_add_char(out, ']');
}

static void add_facts(const struct fg_record *record, uint64_t elapsed_ns, struct fg_buf *out)
{
	uint64_t samples = fg_profiler_samples(record->profiler);
	char count[FG_NUM_TEXT_MAX];

	add_clock(out, elapsed_ns);
	if (record->options->duration_ns) {
		fg_buf_add_char(out, '/');
		add_clock(out, record->options->duration_ns);
	}
	fg_buf_addf(out, "  samples %s", fg_num_format_count(samples, count));
	if (samples)
		fg_buf_addf(out, ", %.2f %% complete",
			    100 * fg_profiler_complete_share(record->profiler));
	if (record->cputime && elapsed_ns > 0)
		fg_buf_addf(out, " · target %.0f %% of a core",
			    100.0 * (double)record->cpu_total_ns / (double)elapsed_ns);
}

/* A line that wraps would leave its first half behind when it is drawn again; the last column stays
 * free, because some terminals wrap when it is filled. The bar goes first. */
static void draw(const struct fg_record *record, uint64_t elapsed_ns, const char *facts,
		 struct fg_buf *out)
{
	const struct fg_run_io *io = record->io;
	unsigned width = io->note_width ? io->note_width(io->context) : io->width;
	size_t room = width > 3 ? width - 3 : 1;

	fg_buf_add_char(out, '\r');
	if (record->options->duration_ns && fg_text_width(facts) + BAR_COLUMNS + 4 <= room)
		add_bar(out, (double)elapsed_ns / (double)record->options->duration_ns);
	fg_buf_add_str(out, "  ");
	fg_text_cut(facts, room, false, out);
	fg_buf_add_str(out, "\x1b[K");
}

static void tell(struct fg_record *record, uint64_t now_ns)
{
	const struct fg_run_io *io = record->io;
	uint64_t elapsed_ns = now_ns - record->start_ns;
	FG_AUTO_BUF struct fg_buf facts;
	FG_AUTO_BUF struct fg_buf line;

	fg_buf_init(&facts, 4096);
	fg_buf_init(&line, 8192);
	add_facts(record, elapsed_ns, &facts);
	if (io->note_is_tty)
		draw(record, elapsed_ns, facts.data ? facts.data : "", &line);
	else
		fg_buf_addf(&line, "%s\n", facts.data ? facts.data : "");
	if (line.data)
		io->note(io->context, line.data, line.len);
	record->is_drawn = io->note_is_tty;
}

/* -- the loop -----------------------------------------------------------------------------------
 */

struct watch {
	struct pollfd fds[FIXED_FDS + FG_RECORD_PIDS_MAX];
	size_t count;
};

static void fill(const struct fg_record *record, struct watch *watch)
{
	watch->fds[0] = (struct pollfd){.fd = record->signal_fd, .events = POLLIN};
	watch->fds[1] = (struct pollfd){.fd = fg_profiler_fd(record->profiler), .events = POLLIN};
	for (size_t i = 0; i < record->pid_count; i++)
		watch->fds[FIXED_FDS + i] =
			(struct pollfd){.fd = record->pid_fds[i], .events = POLLIN};
	watch->count = FIXED_FDS + record->pid_count;
}

static void take_ends(struct fg_record *record, const struct watch *watch)
{
	for (size_t i = 0; i < record->pid_count; i++) {
		if (record->pid_fds[i] < 0 || !watch->fds[FIXED_FDS + i].revents)
			continue;
		close(record->pid_fds[i]);
		record->pid_fds[i] = -1;
	}
	if (fg_record_alive(record) > 0)
		return;
	record->end = FG_RECORD_TARGETS;
	record->end_ns = fg_clock_monotonic_ns();
}

static void take_samples(struct fg_record *record)
{
	struct fg_err why = {0};
	int rc = fg_profiler_read(record->profiler, &why);

	if (rc == 0 && fg_profiler_fd(record->profiler) >= 0)
		return;
	record->end = FG_RECORD_HELPER;
	record->end_ns = fg_clock_monotonic_ns();
	if (rc)
		record->problem = why;
	else
		(void)fg_err_set(&record->problem, FG_E_IO, "flamegate-profiler ended");
}

static int wait_ms(const struct fg_record *record, uint64_t now_ns, uint64_t next_ns)
{
	uint64_t until_ns = next_ns;

	if (record->options->duration_ns)
		until_ns = FG_MIN(until_ns, record->start_ns + record->options->duration_ns);
	return until_ns <= now_ns ? 0 : (int)((until_ns - now_ns + 999999) / FG_NS_PER_MS);
}

static void turn(struct fg_record *record, uint64_t next_ns)
{
	struct watch watch;
	uint64_t now_ns = fg_clock_monotonic_ns();

	fill(record, &watch);
	if (poll(watch.fds, watch.count, wait_ms(record, now_ns, next_ns)) < 0)
		return;
	/* The order of precedence: who asks for the end gets it, whatever else happened. */
	if (watch.fds[1].revents)
		take_samples(record);
	if (!record->end_ns)
		take_ends(record, &watch);
	if (watch.fds[0].revents)
		take_signal(record);
}

void fg_record_loop(struct fg_record *record)
{
	uint64_t duration_ns = record->options->duration_ns;
	uint64_t tick_ns = record->start_ns + REDRAW_NS;
	uint64_t line_ns = record->start_ns + LINE_NS;

	while (!record->end_ns) {
		turn(record, tick_ns);
		uint64_t now_ns = fg_clock_monotonic_ns();

		if (!record->end_ns && duration_ns && now_ns >= record->start_ns + duration_ns) {
			record->end = FG_RECORD_TIME;
			record->end_ns = now_ns;
		}
		if (now_ns < tick_ns)
			continue;
		tick_ns = now_ns + REDRAW_NS;
		read_cpu(record, now_ns);
		if (record->options->quiet || (!record->io->note_is_tty && now_ns < line_ns))
			continue;
		line_ns = now_ns + LINE_NS;
		tell(record, now_ns);
	}
	read_cpu(record, record->end_ns);
	if (record->is_drawn)
		fg_record_note(record, "\r\x1b[K");
	fg_record_child_stop(&record->child, CHILD_GRACE_NS);
}

void fg_record_note(const struct fg_record *record, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0)
		record->io->note(record->io->context, text, FG_MIN((size_t)len, sizeof(text) - 1));
}
