/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the interpreter of the interrupted thread was doing: its frames, behind the native ones.
 *
 * Like the unwinder one step per call of a global function, so that the verifier walks each once.
 * Knows no interpreter: struct fg_bpf_script says where things lie. Everything it reads belongs to
 * the target and may be garbage; a walk is bounded, and one that breaks is told from one that ends.
 *
 * The client finds _PyRuntime or executor_globals, the version and the loop's code ranges (its
 * .cold part too, by following jumps) in a module's file, and tells the helper, which says per
 * program image where threads, frames and code lie. CPython 3.8-3.12 and PHP by tables from their
 * headers; from 3.13 on CPython publishes its offsets in _PyRuntime, believed within bounds. A
 * thread is found by its pthread_t, the base of its TLS; remembered and checked each time. A frame
 * is two words: the code object, and a check over its name, file, line and the name's length and
 * hash, with the place of execution. What a code object is stands for 50 ms, unless one was seen to
 * be replaced in that program. One met for the first time sends its texts along, because PHP
 * without opcache and generated Python free it before anybody could ask.
 *
 * In the client (client_script.c) each native frame of the loop becomes the functions it ran: 3.11
 * marks where native code entered, later versions put a frame between, before each function has a
 * loop of its own; PHP marks calls from C. C functions keep their place. Name: co_qualname (co_name
 * before 3.11), Class::method, {main}; file, first line and line are set; module python3.11. Where
 * both do not fit, or the walk broke, the result is "interpreter" and the stack is incomplete. At
 * the leaf one may be ahead of the other by one (the loop is being entered or left).
 *
 * Not read: PHP built thread-safe or run by opcache's JIT, several interpreters in one thread,
 * versions that the tables (script_layout.c) do not name, any interpreter where samples are stack
 * copies: native frames, and the report says so; the same for Ruby and .NET.
 */
#ifndef FG_PROFILER_BPF_SCRIPT_BPF_H
#define FG_PROFILER_BPF_SCRIPT_BPF_H

#include "profiler/bpf/script_name.bpf.h"

enum {
	FG_SCRIPT_STEPS_AT_ONCE = 12,
	FG_SCRIPT_STEPS_MAX = 192,   /* frames and what lies between them */
	FG_SCRIPT_THREADS_MAX = 256, /* looked at for one sample */
	FG_SCRIPT_THREADS_AT_ONCE = 16,
	FG_SCRIPT_MEMOS = 512, /* per CPU */
	FG_SCRIPT_MEMO_NS = 50 * 1000000,
	FG_SCRIPT_FOUND_MAX = 16384, /* threads whose state is remembered */
	FG_NO_THREAD_FIRST_MS = 1,
	FG_NO_THREAD_LAST_MS = 64,
};

/* By number of the program image. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FG_SCRIPT_IMAGES_MAX);
	__type(key, __u32);
	__type(value, struct fg_bpf_script);
} fg_script_images SEC(".maps");

/* Where a thread's state was last time; checked again before it is believed. A thread that has none
 * (thread 0) is looked for again after a growing while. */
struct fg_script_thread {
	__u64 thread;
	__u64 only; /* interpreter, when there was one; 0: a thread may be inside of several */
	__u64 next_ns;
	__u32 wait_ms;
	__u32 image;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FG_SCRIPT_FOUND_MAX);
	__type(key, __u32);
	__type(value, struct fg_script_thread);
} fg_script_threads SEC(".maps");

static __always_inline __u64 fg_script_word(const __u64 *from, __u32 offset, __u32 mask)
{
	return *(const __u64 *)((const char *)from + (offset & mask));
}

static __always_inline __u64 fg_frame_word(const struct fg_script_work *work, __u32 offset)
{
	return fg_script_word(work->frame_buf, offset, FG_SCRIPT_FRAME_BYTES - 8);
}

static __always_inline __u64 fg_code_word(const struct fg_script_work *work, __u32 offset)
{
	return fg_script_word(work->code_buf, offset, FG_SCRIPT_CODE_BYTES - 8);
}

static __always_inline __u32 fg_frame_half(const struct fg_script_work *work, __u32 offset)
{
	return *(const __u32 *)((const char *)work->frame_buf +
				(offset & (FG_SCRIPT_FRAME_BYTES - 4)));
}

/* One thread of the list; ends at ours, or where there are no more. */
__attribute__((noinline)) int fg_script_look_at_thread(__u32 slot)
{
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);
	__u64 id = 0, interp;

	if (!work)
		return FG_ENDED;
	if (work->thread) {
		__u64 thread = work->thread;

		if (bpf_probe_read_user(&id, sizeof(id),
					(const void *)(thread + work->how.thread_id)))
			work->thread = 0;
		else if (id == work->self)
			return FG_ENDED;
		else if (bpf_probe_read_user(&work->thread, sizeof(work->thread),
					     (const void *)(thread + work->how.thread_next)))
			work->thread = 0;
		return FG_GO_ON;
	}
	interp = work->interp;
	if (!interp)
		return FG_ENDED;
	work->interps++;
	if (bpf_probe_read_user(&work->interp, sizeof(work->interp),
				(const void *)(interp + work->how.interp_next)))
		work->interp = 0;
	if (bpf_probe_read_user(&work->thread, sizeof(work->thread),
				(const void *)(interp + work->how.interp_threads)))
		work->thread = 0;
	return FG_GO_ON;
}

/* Eight of them per call: a loop costs the verifier by its turns. */
__attribute__((noinline)) int fg_script_look_at_threads(__u32 slot)
{
	for (int i = 0; i < FG_SCRIPT_THREADS_AT_ONCE; i++) {
		if (fg_script_look_at_thread(slot))
			return FG_ENDED;
	}
	return FG_GO_ON;
}

/* What tells the code object at work->code from the next one there. Global, like all below that
 * have several ways through: behind a call the verifier has forgotten which was taken. */
__attribute__((noinline)) int fg_script_read_code(__u32 slot)
{
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);

	if (!work)
		return -1;
	const struct fg_bpf_script *how = &work->how;
	__u64 code = work->code, hash = how->image, name, file;
	__u32 bytes = how->code_bytes;
	__u8 type = 0;

	if (how->native_type) {
		if (bpf_probe_read_user(&type, sizeof(type), (const void *)code))
			return -1;
		if (type == how->native_type) {
			work->flags |= FG_SCRIPT_WORD_NATIVE;
			bytes = how->native_bytes;
			/* Shorter than others: what follows is none of it. */
			work->code_buf[(how->code_file & (FG_SCRIPT_CODE_BYTES - 1)) / 8] = 0;
			work->code_buf[(how->code_line & (FG_SCRIPT_CODE_BYTES - 1)) / 8] = 0;
		}
	}
	if (bpf_probe_read_user(work->code_buf, bytes & (FG_SCRIPT_CODE_BYTES - 1),
				(const void *)(code + how->code_start)))
		return -1;
	if (how->code_type && fg_code_word(work, how->code_is) != how->code_type)
		return -1;
	name = fg_code_word(work, how->code_name);
	file = fg_code_word(work, how->code_file);
	hash = fg_script_mix(hash, name);
	hash = fg_script_mix(hash, fg_code_word(work, how->code_scope));
	hash = fg_script_mix(hash, file);
	work->name = name;
	work->file = file;
	work->scope = fg_code_word(work, how->code_scope);
	work->line =
		*(__u32 *)((char *)work->code_buf + (how->code_line & (FG_SCRIPT_CODE_BYTES - 4)));
	work->check = fg_script_mix(hash, work->line);
	/* The main script of PHP has no name. */
	work->same_at = (name ? name : file) + how->string_same;
	return 0;
}

__attribute__((noinline)) int fg_script_read_same(__u32 slot)
{
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);

	if (!work ||
	    bpf_probe_read_user(work->same, sizeof(work->same), (const void *)work->same_at))
		return -1;
	work->check = fg_script_check(
		fg_script_mix(fg_script_mix(work->check, work->same[0]), work->same[1]));
	return 0;
}

__attribute__((noinline)) int fg_script_read_place(__u32 slot)
{
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);

	if (!work)
		return -1;
	const struct fg_bpf_script *how = &work->how;
	__u64 place = FG_SCRIPT_PLACE_MASK, instr = fg_frame_word(work, how->frame_instr);
	__u32 line = 0;

	if (how->place == FG_PLACE_POINTER)
		place = instr - (work->code + how->code_instr);
	else if (how->place == FG_PLACE_INDEX)
		place = fg_frame_half(work, how->frame_instr);
	else if (!work->last && /* of the innermost alone: another reading per frame */
		 !bpf_probe_read_user(&line, sizeof(line), (const void *)(instr + how->line_instr)))
		place = line;
	work->place = place > FG_SCRIPT_PLACE_MASK ? FG_SCRIPT_PLACE_MASK : place;
	return 0;
}

static __always_inline void fg_script_put(struct fg_unwind_state *state, __u64 word)
{
	__u32 slot = (__u32)state->sample.kernel_count + state->sample.user_count +
		     state->sample.script_count;

	state->sample.frames[slot & (FG_SAMPLE_FRAMES - 1)] = word;
	state->sample.script_count++;
}

/* Native code called the function whose frame was emitted last. */
static __always_inline void fg_script_mark_entry(struct fg_unwind_state *state,
						 const struct fg_script_work *work)
{
	if (work->last)
		state->sample.frames[work->last & (FG_SAMPLE_FRAMES - 1)] |= FG_SCRIPT_WORD_ENTRY;
}

/* Reading a code object costs more than its frame, so what it was stands for a while. That is right
 * for functions that live; in an image where one was once seen to be replaced, every frame's code
 * is looked at. */
struct fg_script_memo {
	__u64 code, check, flags;
	__u64 until_ns;
	__u32 image;
	__u32 reserved;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FG_SCRIPT_MEMOS);
	__type(key, __u32);
	__type(value, struct fg_script_memo);
} fg_script_memos SEC(".maps");

static __always_inline struct fg_script_memo *fg_script_memo_of(const struct fg_script_work *work)
{
	__u32 index = (__u32)(work->code >> 4 ^ work->code >> 12) & (FG_SCRIPT_MEMOS - 1);

	return bpf_map_lookup_elem(&fg_script_memos, &index);
}

/* 1: the code at hand was looked at a short while ago. */
__attribute__((noinline)) int fg_script_recall(__u32 slot)
{
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);
	const struct fg_script_memo *memo = work ? fg_script_memo_of(work) : 0;

	if (!memo || memo->code != work->code || memo->image != work->how.image ||
	    work->now_ns >= memo->until_ns || work->how.changing)
		return 0;
	work->check = memo->check;
	work->flags |= memo->flags;
	return 1;
}

__attribute__((noinline)) int fg_script_remember(__u32 slot)
{
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);
	struct fg_script_memo *memo = work ? fg_script_memo_of(work) : 0;

	if (!memo)
		return 0;
	__u32 image = work->how.image;

	if (memo->code == work->code && memo->image == image && memo->check != work->check) {
		struct fg_bpf_script *how = bpf_map_lookup_elem(&fg_script_images, &image);

		if (how)
			how->changing = 1;
		work->how.changing = 1;
	}
	memo->code = work->code;
	memo->check = work->check;
	memo->flags = work->flags & FG_SCRIPT_WORD_NATIVE;
	memo->image = image;
	memo->until_ns = work->now_ns + FG_SCRIPT_MEMO_NS;
	return 0;
}

/* What the code at hand is; 0 when known. */
__attribute__((noinline)) int fg_script_look_at_code(__u32 slot)
{
	if (fg_script_recall(slot))
		return 0;
	if (fg_script_read_code(slot) || fg_script_read_same(slot))
		return -1;
	fg_script_remember(slot);
	fg_script_capture(slot);
	return 0;
}

/* Records the frame at work->frame and moves to its caller. */
__attribute__((noinline)) int fg_script_frame(__u32 slot)
{
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);

	if (!work || !state || !work->frame)
		return FG_ENDED;
	const struct fg_bpf_script *how = &work->how;
	__u32 bytes = how->frame_bytes & (FG_SCRIPT_FRAME_BYTES - 1);

	work->broken = 1;
	if (bpf_probe_read_user(work->frame_buf, bytes, (const void *)work->frame))
		return FG_ENDED;
	work->frame = fg_frame_word(work, how->frame_previous);
	work->code = fg_frame_word(work, how->frame_code) & ~7ull;
	__u8 owner =
		*((const __u8 *)work->frame_buf + (how->frame_owner & (FG_SCRIPT_FRAME_BYTES - 1)));

	if (how->shim_owner && owner >= how->shim_owner) {
		fg_script_mark_entry(state, work);
		work->code = 0;
	}
	if (!work->code) {
		work->broken = 0;
		return FG_GO_ON;
	}
	work->flags =
		fg_frame_half(work, how->frame_entry) & how->entry_mask ? FG_SCRIPT_WORD_ENTRY : 0;
	if (state->sample.script_count >= 2 * FG_SCRIPT_FRAMES_MAX ||
	    work->code >> FG_ARCH_USER_BITS || fg_script_look_at_code(slot) ||
	    fg_script_read_place(slot))
		return FG_ENDED;
	work->last = (__u64)state->sample.kernel_count + state->sample.user_count +
		     state->sample.script_count;
	fg_script_put(state, work->code | work->flags);
	fg_script_put(state, work->check | work->place);
	work->broken = 0;
	return FG_GO_ON;
}

__attribute__((noinline)) int fg_script_frames(__u32 slot)
{
	for (int i = 0; i < FG_SCRIPT_STEPS_AT_ONCE; i++) {
		if (fg_script_frame(slot))
			return FG_ENDED;
	}
	return FG_GO_ON;
}

/* Whether the state at work->thread is this thread's. */
static __always_inline bool fg_script_is_ours(const struct fg_script_work *work)
{
	__u64 id = 0;

	return work->thread &&
	       !bpf_probe_read_user(&id, sizeof(id),
				    (const void *)(work->thread + work->how.thread_id)) &&
	       id == work->self;
}

/* Walks the list from work->interp on; thread 0 if it has no such one, or runs out on one that is
 * not ours. */
static __always_inline void fg_script_search(struct fg_script_work *work)
{
	work->thread = 0;
	for (int i = 0; i < FG_SCRIPT_THREADS_MAX / FG_SCRIPT_THREADS_AT_ONCE; i++) {
		if (fg_script_look_at_threads(0))
			break;
	}
	if (!fg_script_is_ours(work))
		work->thread = 0;
}

/* The thread's state, remembered or searched; 0 if it has none. Interpreters come and go at the
 * head of their list: it says whether there is still the same one and no other. */
static __always_inline void fg_script_find(struct fg_script_work *work, __u32 tid, __u64 now_ns)
{
	struct fg_script_thread *known = bpf_map_lookup_elem(&fg_script_threads, &tid);
	struct fg_script_thread found = {.image = work->how.image};
	__u64 first = 0;

	if (bpf_probe_read_user(&first, sizeof(first), (const void *)work->how.head))
		first = 0;
	if (known && known->image == work->how.image) {
		work->thread = known->thread;
		if ((first == known->only && fg_script_is_ours(work)) ||
		    (!work->thread && now_ns < known->next_ns))
			return;
		/* A new thread that has none yet is looked for again at once. */
		if (!work->thread)
			found.wait_ms = known->wait_ms ? known->wait_ms * 2 : FG_NO_THREAD_FIRST_MS;
	}
	work->interp = first;
	fg_script_search(work);
	found.thread = work->thread;
	found.only = work->interps == 1 && !work->interp ? first : 0;
	if (found.wait_ms > FG_NO_THREAD_LAST_MS)
		found.wait_ms = FG_NO_THREAD_LAST_MS;
	found.next_ns = now_ns + found.wait_ms * 1000000ull;
	bpf_map_update_elem(&fg_script_threads, &tid, &found, BPF_ANY);
}

/* The innermost frame of work->thread; 0 if it has none. */
static __always_inline __u64 fg_script_frame_of_thread(struct fg_script_work *work)
{
	__u64 frame = 0;

	if (bpf_probe_read_user(&frame, sizeof(frame),
				(const void *)(work->thread + work->how.thread_frame))) {
		work->broken = 1;
		return 0;
	}
	work->cframe = frame;
	if (work->how.cframe_frame != FG_SCRIPT_NO_OFFSET && frame &&
	    bpf_probe_read_user(&frame, sizeof(frame),
				(const void *)(frame + work->how.cframe_frame))) {
		work->broken = 1;
		return 0;
	}
	return frame;
}

static __always_inline __u64 fg_script_first_frame(struct fg_script_work *work, __u32 tid,
						   __u64 now_ns)
{
	__u64 frame = 0;

	if (work->how.kind == FG_SCRIPT_PHP) {
		if (bpf_probe_read_user(&frame, sizeof(frame), (const void *)work->how.head))
			work->broken = 1;
		return frame;
	}
	work->self = fg_arch_pthread_self();
	fg_script_find(work, tid, now_ns);
	return work->thread ? fg_script_frame_of_thread(work) : 0;
}

/* A thread may call one interpreter from within another and has a state in each. The newest comes
 * first in the list, and inner ones are newer than those that made them: 1 if there is a further
 * state to look at. */
__attribute__((noinline)) int fg_script_outer(__u32 slot)
{
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);

	if (!work || work->broken || work->frame || !work->interp)
		return 0;
	fg_script_search(work);
	if (!work->thread)
		return 0;
	work->frame = fg_script_frame_of_thread(work);
	return 1;
}

/* Prepares the walk: 1 if there is one to make. Global so that what it may find does not multiply
 * the ways through the caller's loop. */
__attribute__((noinline)) int fg_script_begin(__u32 slot, __u32 image)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);
	const struct fg_bpf_script *how = bpf_map_lookup_elem(&fg_script_images, &image);

	if (!state || !work || !how)
		return 0;
	work->how = *how;
	work->thread = 0;
	work->interp = 0;
	work->interps = 0;
	work->last = 0;
	work->broken = 0;
	work->now_ns = state->sample.time_ns;
	work->frame = fg_script_first_frame(work, (__u32)bpf_get_current_pid_tgid(),
					    state->sample.time_ns);
	if (!work->frame && !work->broken && !work->interp)
		return 0;
	fg_script_put(state, image);
	return 1;
}

/* On entry the native loop links its cframe before that has a frame: what it called last time may
 * still stand there. Then the frame below is the one that runs: 1. */
__attribute__((noinline)) int fg_script_again(__u32 slot)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);
	__u64 previous = 0;

	if (!state || !work || !work->broken || state->sample.script_count != 1 ||
	    work->how.kind != FG_SCRIPT_PYTHON || work->how.cframe_frame == FG_SCRIPT_NO_OFFSET)
		return 0;
	if (bpf_probe_read_user(&previous, sizeof(previous),
				(const void *)(work->cframe + work->how.cframe_previous)) ||
	    !previous)
		return 0;
	if (bpf_probe_read_user(&work->frame, sizeof(work->frame),
				(const void *)(previous + work->how.cframe_frame)))
		return 0;
	work->broken = 0;
	return 1;
}

__attribute__((noinline)) int fg_script_end(__u32 slot)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);

	if (state && work && (work->broken || work->frame) &&
	    state->sample.result == FG_BPF_COMPLETE)
		state->sample.result = FG_BPF_SCRIPT;
	return 0;
}

/* One condition, hence one way back in the loop below: with two, clang lets the increment fall into
 * the loop's head, which kernels before 6.3 take for an endless loop ("back-edge"). */
__attribute__((noinline)) int fg_script_some(__u32 slot)
{
	return fg_script_frames(slot) && !fg_script_again(slot) && !fg_script_outer(slot);
}

/* After the native stack: appends what the interpreter was doing, if the process runs one. */
static __always_inline void fg_script(__u32 slot, __u32 image)
{
	if (!image || !fg_script_begin(slot, image))
		return;
	for (int i = 0; i < FG_SCRIPT_STEPS_MAX / FG_SCRIPT_STEPS_AT_ONCE; i++) {
		if (fg_script_some(slot))
			break;
	}
	fg_script_end(slot);
}

#endif
