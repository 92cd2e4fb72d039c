/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is known of the frame at hand while an interpreter's frames are walked, and the texts of its
 * code object, sent when it is first met: it may be gone before anybody else could ask.
 */
#ifndef FG_PROFILER_BPF_SCRIPT_NAME_BPF_H
#define FG_PROFILER_BPF_SCRIPT_NAME_BPF_H

struct fg_script_work {
	struct fg_bpf_script how;
	__u64 self;           /* what the interpreter calls this thread: its pthread_t */
	__u64 interp, thread; /* `interp`: the next to look at, 0 if there are no more */
	__u32 interps;        /* looked at */
	__u64 code, flags, check, place, same_at; /* of the frame at hand */
	__u64 name, file, scope;                  /* strings; of PHP a class */
	__u32 line;
	__u64 frame, last; /* `last`: slot of the last frame's first word, 0 if none */
	__u64 cframe;      /* the innermost, if the version has them */
	__u64 broken;
	__u64 now_ns;
	__u64 frame_buf[FG_SCRIPT_FRAME_BYTES / 8];
	__u64 code_buf[FG_SCRIPT_CODE_BYTES / 8];
	__u64 same[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FG_SLOT_COUNT);
	__type(key, __u32);
	__type(value, struct fg_script_work);
} fg_script_works SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FG_SCRIPT_NAME_RING_BYTES);
} fg_script_names SEC(".maps");

/* Which were sent, by a few bits of their hash; what is forgotten is sent again. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FG_SCRIPT_SEEN);
	__type(key, __u32);
	__type(value, __u64);
} fg_script_seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_bpf_script_name);
} fg_script_captures SEC(".maps");

static __always_inline void fg_script_read_text(char *out, __u32 size, __u64 string, __u32 offset)
{
	out[0] = 0;
	if (string && bpf_probe_read_user_str(out, size, (const void *)(string + offset)) < 0)
		out[0] = 0;
}

/* Sends the texts of the code at hand; 0 if the ring took them. */
static __always_inline long fg_script_send_text(struct fg_script_work *work,
						struct fg_bpf_script_name *to)
{
	const struct fg_bpf_script *how = &work->how;
	__u64 name = work->name, scope = work->scope;

	if (how->kind == FG_SCRIPT_PYTHON) {
		name = scope; /* the qualified one */
		scope = 0;
	} else if (scope && bpf_probe_read_user(&scope, sizeof(scope),
						(const void *)(scope + how->scope_name))) {
		scope = 0;
	}
	to->word = work->code | (work->flags & FG_SCRIPT_WORD_NATIVE);
	to->check = work->check;
	to->image = how->image;
	to->line = work->line;
	to->name_state = 0;
	to->file_state = 0;
	(void)bpf_probe_read_user(&to->name_state, sizeof(to->name_state),
				  (const void *)(name + how->string_state));
	(void)bpf_probe_read_user(&to->file_state, sizeof(to->file_state),
				  (const void *)(work->file + how->string_state));
	fg_script_read_text(to->name, sizeof(to->name), name, how->string_data);
	fg_script_read_text(to->scope, sizeof(to->scope), scope, how->string_data);
	fg_script_read_text(to->file, sizeof(to->file), work->file, how->string_data);
	return bpf_ringbuf_output(&fg_script_names, to, sizeof(*to), BPF_RB_NO_WAKEUP);
}

__attribute__((noinline)) int fg_script_capture(__u32 slot)
{
	struct fg_script_work *work = bpf_map_lookup_elem(&fg_script_works, &slot);
	struct fg_bpf_script_name *to = bpf_map_lookup_elem(&fg_script_captures, &slot);

	if (!work || !to)
		return 0;
	__u64 key = fg_script_mix(work->check, work->code);
	__u32 index = (__u32)(key >> 40) & (FG_SCRIPT_SEEN - 1);
	__u64 *seen = bpf_map_lookup_elem(&fg_script_seen, &index);

	if (seen && *seen != key && !fg_script_send_text(work, to))
		*seen = key;
	return 0;
}

#endif
