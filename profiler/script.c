/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "profiler/rights.h"
#include "profiler/target_memory.h"
#include "profiler/wire.pb-c.h"

enum {
	CODES = 1 << 17,  /* slots; forgotten all at once when three quarters are used */
	PLACES = 1 << 15, /* slots, the newest wins */
	NAME_SLOTS = 1 << 19,
	PENDING_MAX = 4096, /* names in one message */
};

struct runtime {
	uint32_t module, kind, version;
	uint64_t address, code_type; /* p_vaddr; the second may be 0 */
};

/* A code object that was read: its name's number + 1, 0 for a free slot. */
struct code_slot {
	uint64_t word, check;
	uint32_t name;
};
struct place_slot {
	uint64_t word, place, frame;
};
struct name_slot {
	uint64_t hash;
	uint32_t number; /* + 1 */
};

struct fg_scripts {
	struct runtime runtimes[FG_SCRIPT_RUNTIMES_MAX];
	size_t runtime_count;
	struct fg_script_layout *images; /* [image − 1] */
	size_t image_count, image_capacity;
	uint32_t released[FG_SCRIPT_IMAGES_MAX]; /* a ring: oldest first */
	size_t released_at, released_count;
	struct code_slot *codes;
	size_t code_count;
	struct place_slot *places;
	struct name_slot *names;
	uint32_t name_count, sent_count;
	Fg__Wire__ScriptName *pending;
	size_t pending_count, pending_capacity;
	void (*more)(void *context);
	void *more_context;
	uint32_t allowed_tgid; /* whose memory we may read, until the next batch … */
	int memory_fd;         /* … and this is it; -1: none */
	uint64_t gone;         /* frames whose names could not be read */
	bool gone_told;
	struct fg_script_text text;
};

int fg_scripts_new(struct fg_scripts **ret, struct fg_err *err)
{
	struct fg_scripts *scripts = calloc(1, sizeof(*scripts));

	if (!scripts)
		return fg_err_nomem(err);
	scripts->memory_fd = -1;
	*ret = scripts;
	return 0;
}

static void forget_memory(struct fg_scripts *scripts)
{
	if (scripts->memory_fd >= 0)
		close(scripts->memory_fd);
	scripts->memory_fd = -1;
	scripts->allowed_tgid = 0;
}

static void clear_pending(struct fg_scripts *scripts)
{
	for (size_t i = 0; i < scripts->pending_count; i++) {
		free(scripts->pending[i].name);
		free(scripts->pending[i].file);
	}
	scripts->pending_count = 0;
}

void fg_scripts_free(struct fg_scripts *scripts)
{
	if (!scripts)
		return;
	clear_pending(scripts);
	forget_memory(scripts);
	free(scripts->pending);
	free(scripts->images);
	free(scripts->codes);
	free(scripts->places);
	free(scripts->names);
	free(scripts);
}

int fg_scripts_add_runtime(struct fg_scripts *scripts, uint32_t module, uint32_t kind,
			   uint32_t version, const uint64_t addresses[2], struct fg_err *err)
{
	struct fg_script_layout layout;

	if (fg_scripts_knows(scripts, module))
		return fg_err_set(err, FG_E_INVALID, "RUNTIME of module %u twice", module);
	if (scripts->runtime_count == FG_SCRIPT_RUNTIMES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d interpreters",
				  FG_SCRIPT_RUNTIMES_MAX);
	/* Without the offsets that a process will show, only unknown versions are refused here. */
	int rc = fg_script_layout_make(kind, version, 0, NULL, &layout, err);

	if (rc && !(fg_script_layout_needs_debug(kind, version) && rc == -FG_E_INVALID))
		return rc;
	scripts->runtimes[scripts->runtime_count++] = (struct runtime){.module = module,
								       .kind = kind,
								       .version = version,
								       .address = addresses[0],
								       .code_type = addresses[1]};
	/* Made when the first interpreter is seen: other targets do without. */
	if (!scripts->codes) {
		scripts->codes = calloc(CODES, sizeof(*scripts->codes));
		scripts->places = calloc(PLACES, sizeof(*scripts->places));
		scripts->names = calloc(NAME_SLOTS, sizeof(*scripts->names));
	}
	if (!scripts->codes || !scripts->places || !scripts->names)
		return fg_err_nomem(err);
	return 0;
}

static const struct runtime *find_runtime(const struct fg_scripts *scripts, uint32_t module)
{
	for (size_t i = 0; i < scripts->runtime_count; i++) {
		if (scripts->runtimes[i].module == module)
			return &scripts->runtimes[i];
	}
	return NULL;
}

bool fg_scripts_knows(const struct fg_scripts *scripts, uint32_t module)
{
	return scripts && find_runtime(scripts, module) != NULL;
}

static bool read_process(void *context, uint64_t address, void *out, size_t len)
{
	return fg_target_memory_read(*(const int *)context, address, out, len);
}

void fg_scripts_release(struct fg_scripts *scripts, uint32_t image)
{
	if (!scripts || scripts->released_count == FG_SCRIPT_IMAGES_MAX)
		return;
	size_t end = scripts->released_at + scripts->released_count++;

	scripts->released[end % FG_SCRIPT_IMAGES_MAX] = image;
}

/* A number that nobody uses; 0 if there is none. Samples of its last owner have been drained
 * unless 4 096 programs ended within 50 ms, and their checks would not fit. */
static uint32_t take_image(struct fg_scripts *scripts)
{
	struct fg_err ignored;

	if (FG_VEC_ROOM(scripts, images, image_count, image_capacity, FG_SCRIPT_IMAGES_MAX,
			&ignored) == 0)
		return (uint32_t)++scripts->image_count;
	if (!scripts->released_count)
		return 0;
	uint32_t image = scripts->released[scripts->released_at];

	scripts->released_at = (scripts->released_at + 1) % FG_SCRIPT_IMAGES_MAX;
	scripts->released_count--;
	return image;
}

void fg_scripts_describe(struct fg_scripts *scripts, uint32_t module, pid_t pid, uint64_t bias,
			 uint32_t *image, struct fg_bpf_script *how)
{
	const struct runtime *runtime = find_runtime(scripts, module);
	struct fg_script_layout layout;
	uint64_t debug[FG_SCRIPT_DEBUG_WORDS];
	struct fg_err ignored;

	if (!runtime)
		return;
	uint64_t address = bias + runtime->address;
	bool needs_debug = fg_script_layout_needs_debug(runtime->kind, runtime->version);

	if (needs_debug && !fg_target_memory_read_once(pid, address, debug, sizeof(debug)))
		return;
	if (fg_script_layout_make(runtime->kind, runtime->version, address,
				  needs_debug ? debug : NULL, &layout, &ignored) != 0)
		return;
	if (!*image)
		*image = take_image(scripts);
	if (!*image)
		return;
	layout.bpf.image = *image;
	layout.bpf.code_type = runtime->code_type ? bias + runtime->code_type : 0;
	scripts->images[*image - 1] = layout;
	*how = layout.bpf;
}

/* The number of a name, new or known; the last one stands for all beyond the limit. */
static int intern(struct fg_scripts *scripts, const struct fg_script_text *text, uint32_t runtime,
		  uint32_t *ret, struct fg_err *err)
{
	uint64_t hash = XXH3_64bits_withSeed(text->name, strlen(text->name) + 1,
					     (uint64_t)text->first_line << 32 | runtime);

	hash = XXH3_64bits_withSeed(text->file, strlen(text->file) + 1, hash);
	size_t i = (size_t)hash & (NAME_SLOTS - 1);

	while (scripts->names[i].number && scripts->names[i].hash != hash)
		i = (i + 1) & (NAME_SLOTS - 1);
	if (scripts->names[i].number) {
		*ret = scripts->names[i].number - 1;
		return 0;
	}
	if (scripts->name_count == FG_SCRIPT_NAMES_MAX) {
		*ret = FG_SCRIPT_NAMES_MAX - 1;
		return 0;
	}
	bool last = scripts->name_count == FG_SCRIPT_NAMES_MAX - 1;
	Fg__Wire__ScriptName name = FG__WIRE__SCRIPT_NAME__INIT;
	int rc = FG_VEC_ROOM(scripts, pending, pending_count, pending_capacity, FG_SCRIPT_NAMES_MAX,
			     err);

	if (!rc)
		rc = fg_str_dup(last ? "[too many names]" : text->name, &name.name, err);
	if (!rc)
		rc = fg_str_dup(last ? "" : text->file, &name.file, err);
	if (rc) {
		if (name.name != protobuf_c_empty_string)
			free(name.name);
		return rc;
	}
	name.first_line = last ? 0 : text->first_line;
	name.runtime = runtime;
	scripts->pending[scripts->pending_count++] = name;
	scripts->names[i] = (struct name_slot){.hash = hash, .number = ++scripts->name_count};
	*ret = scripts->name_count - 1;
	return 0;
}

static struct code_slot *find_code(struct fg_scripts *scripts, uint64_t word, uint64_t check)
{
	const uint64_t key[] = {word, check};

	if (scripts->code_count * 4 > (size_t)CODES * 3) {
		memset(scripts->codes, 0, CODES * sizeof(*scripts->codes));
		scripts->code_count = 0;
	}
	size_t i = (size_t)XXH3_64bits(key, sizeof(key)) & (CODES - 1);

	while (scripts->codes[i].name &&
	       (scripts->codes[i].word != word || scripts->codes[i].check != check))
		i = (i + 1) & (CODES - 1);
	return &scripts->codes[i];
}

void fg_scripts_set_more(struct fg_scripts *scripts, void (*more)(void *context), void *context)
{
	scripts->more = more;
	scripts->more_context = context;
}

void fg_scripts_captured(struct fg_scripts *scripts, const struct fg_bpf_script_name *captured)
{
	struct fg_err ignored;
	uint32_t name;

	if (!captured->image || captured->image > scripts->image_count || !scripts->codes)
		return;
	const struct fg_script_layout *layout = &scripts->images[captured->image - 1];
	struct code_slot *slot = find_code(scripts, captured->word, captured->check);

	if (slot->name || !fg_script_text_captured(layout, captured, &scripts->text) ||
	    intern(scripts, &scripts->text, layout->runtime, &name, &ignored) != 0)
		return;
	*slot = (struct code_slot){
		.word = captured->word, .check = captured->check, .name = name + 1};
	scripts->code_count++;
}

/* The slot of a code object. What BPF captured comes before the sample that met it, but may have
 * come after the last look at it. */
static struct code_slot *find_captured(struct fg_scripts *scripts, uint64_t word, uint64_t check)
{
	struct code_slot *slot = find_code(scripts, word, check);

	if (slot->name || !scripts->more)
		return slot;
	scripts->more(scripts->more_context);
	return find_code(scripts, word, check);
}

/* Its number may belong to somebody else by now, or soon: what was opened in between two looks is
 * the memory of who was looked at. */
static bool may_read(struct fg_scripts *scripts, uint32_t tgid)
{
	struct fg_err ignored;

	if (scripts->allowed_tgid == tgid)
		return scripts->memory_fd >= 0;
	forget_memory(scripts);
	if (fg_rights_check_target(tgid, &ignored) != 0)
		return false;
	scripts->memory_fd = fg_target_memory_open((pid_t)tgid);
	if (scripts->memory_fd >= 0 && fg_rights_check_target(tgid, &ignored) != 0) {
		forget_memory(scripts);
		return false;
	}
	scripts->allowed_tgid = tgid;
	return scripts->memory_fd >= 0;
}

/* The name of what cannot be read any more. */
static int name_gone(struct fg_scripts *scripts, const struct fg_script_layout *layout,
		     uint32_t *ret)
{
	struct fg_script_text text = {0};
	struct fg_err ignored;

	scripts->gone++;
	(void)snprintf(text.name, sizeof(text.name), "[%s: gone]",
		       fg_runtime_name((enum fg_runtime)(layout->runtime & 0xff)));
	return intern(scripts, &text, layout->runtime, ret, &ignored);
}

static uint64_t frame_of(uint32_t name, uint32_t line)
{
	return (uint64_t)FG_MODULE_SCRIPT << FG_FRAME_MODULE_SHIFT |
	       (uint64_t)name << FG_SCRIPT_NAME_SHIFT | (line & FG_SCRIPT_LINE_MASK);
}

/* Without its flags; *ret_kept: whether that will be so the next time too. */
static uint64_t read_frame(struct fg_scripts *scripts, uint32_t tgid, uint32_t image, uint64_t word,
			   uint64_t second, bool *ret_kept)
{
	const struct fg_script_layout *layout = &scripts->images[image - 1];
	uint64_t check = second & ~FG_SCRIPT_PLACE_MASK;
	struct code_slot *slot = find_captured(scripts, word, check);
	bool readable = may_read(scripts, tgid);
	const struct fg_script_memory memory = {.read = read_process,
						.context = &scripts->memory_fd};
	struct fg_err ignored;
	uint32_t name = 0;

	*ret_kept = readable;
	if (slot->name) {
		name = slot->name - 1;
	} else if (readable &&
		   fg_script_text_read(layout, image, word, check, &memory, &scripts->text) &&
		   intern(scripts, &scripts->text, layout->runtime, &name, &ignored) == 0) {
		*slot = (struct code_slot){.word = word, .check = check, .name = name + 1};
		scripts->code_count++;
	} else {
		*ret_kept = false;
		return name_gone(scripts, layout, &name) == 0 ? frame_of(name, 0) : 0;
	}
	uint32_t place = (uint32_t)(second & FG_SCRIPT_PLACE_MASK);
	uint32_t line = readable || layout->bpf.place == FG_PLACE_LINE
				? fg_script_line_read(layout, image, word, check, place, &memory)
				: 0;

	return frame_of(name, line);
}

size_t fg_scripts_resolve(struct fg_scripts *scripts, uint32_t tgid, const uint64_t *words,
			  size_t count, uint64_t *out)
{
	uint64_t image = count ? words[0] : 0;
	size_t done = 0;

	if (!image || image > scripts->image_count || !scripts->codes)
		return 0;
	for (size_t i = 1; i + 1 < count; i += 2) {
		uint64_t word = words[i] & (FG_SCRIPT_WORD_ADDRESS | FG_SCRIPT_WORD_NATIVE);
		bool entry = words[i] & FG_SCRIPT_WORD_ENTRY && !(word & FG_SCRIPT_WORD_NATIVE);
		const uint64_t key[] = {word, words[i + 1]};
		struct place_slot *slot =
			&scripts->places[XXH3_64bits(key, sizeof(key)) & (PLACES - 1)];
		uint64_t frame = slot->frame;

		if (slot->word != word || slot->place != words[i + 1] || !frame) {
			bool kept;

			frame = read_frame(scripts, tgid, (uint32_t)image, word, words[i + 1],
					   &kept);
			if (kept)
				*slot = (struct place_slot){
					.word = word, .place = words[i + 1], .frame = frame};
		}
		out[done++] = frame | (entry ? FG_SCRIPT_ENTRY : 0);
	}
	return done;
}

static int tell_gone(struct fg_scripts *scripts, struct fg_wire *wire, struct fg_err *err)
{
	Fg__Wire__Notice notice = FG__WIRE__NOTICE__INIT;
	char text[] = "some interpreted functions have no names: their process ended first";

	if (!scripts->gone || scripts->gone_told)
		return 0;
	scripts->gone_told = true;
	notice.text = text;
	return fg_wire_send(wire, FG_WIRE_NOTICE, &notice.base, -1, err);
}

int fg_scripts_acknowledge(struct fg_scripts *scripts, struct fg_wire *wire, struct fg_err *err)
{
	Fg__Wire__Script message = FG__WIRE__SCRIPT__INIT;

	message.first = scripts->sent_count;
	return fg_wire_send(wire, FG_WIRE_SCRIPT, &message.base, -1, err);
}

int fg_scripts_send(struct fg_scripts *scripts, struct fg_wire *wire, struct fg_err *err)
{
	int rc = 0;

	forget_memory(scripts);
	for (size_t from = 0; !rc && from < scripts->pending_count; from += PENDING_MAX) {
		size_t count = FG_MIN(scripts->pending_count - from, (size_t)PENDING_MAX);
		Fg__Wire__Script message = FG__WIRE__SCRIPT__INIT;
		Fg__Wire__ScriptName **names = calloc(count, sizeof(Fg__Wire__ScriptName *));

		if (!names)
			return fg_err_nomem(err);
		for (size_t i = 0; i < count; i++)
			names[i] = &scripts->pending[from + i];
		message.first = scripts->sent_count;
		message.n_names = count;
		message.names = names;
		rc = fg_wire_send(wire, FG_WIRE_SCRIPT, &message.base, -1, err);
		scripts->sent_count += (uint32_t)count;
		free(names);
	}
	clear_pending(scripts);
	return rc ? rc : tell_gone(scripts, wire, err);
}
