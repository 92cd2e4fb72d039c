/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How the frames of an interpreter are read: offsets that the helper fills per program image, the
 * words that the BPF side emits, and the check that both sides compute.
 *
 * Script words of a sample stand behind its user frames: one head (the image's number), then two
 * words per frame, leaf first. The first names the code object, the second says what it looked like
 * and where in it the thread was.
 */
#ifndef FG_PROFILER_BPF_SCRIPT_H
#define FG_PROFILER_BPF_SCRIPT_H

#ifndef __bpf__
#include <stdint.h>
#endif

enum fg_script_kind {
	FG_SCRIPT_NONE,
	FG_SCRIPT_PYTHON, /* head: pointer to the first interpreter; threads hang below it */
	FG_SCRIPT_PHP,    /* head: pointer to the innermost frame */
	FG_SCRIPT_KIND_COUNT
};

/* What a frame's `instr` says about where it is. */
enum fg_script_place {
	FG_PLACE_POINTER, /* address of an instruction: distance from the code's first one */
	FG_PLACE_INDEX,   /* 32-bit index */
	FG_PLACE_LINE,    /* address of an instruction that holds its line (PHP) */
};

enum {
	FG_SCRIPT_FRAME_BYTES = 128, /* powers of two: bounds by mask */
	FG_SCRIPT_CODE_BYTES = 256,
	FG_SCRIPT_IMAGES_MAX = 4096, /* programs that run an interpreter; more have native frames */
	FG_SCRIPT_FRAMES_MAX = 127,  /* with the head in FG_SCRIPT_WORDS_MAX */
	FG_SCRIPT_NO_OFFSET = 0xffff,
};

/* Offsets in bytes. Those below `code_start` count from there. */
struct fg_bpf_script {
	uint64_t head;
	uint64_t code_type;  /* what the word at code_is must hold; 0: not looked at */
	uint32_t image;      /* number of this program image; 0: no interpreter */
	uint32_t entry_mask; /* of the word at frame_entry: entered by native code */
	uint32_t interp_next, interp_threads;
	uint16_t thread_next, thread_id, thread_frame;
	uint16_t cframe_frame; /* FG_SCRIPT_NO_OFFSET: thread_frame is the frame itself */
	uint16_t cframe_previous;
	uint16_t code_is;
	uint16_t frame_bytes, frame_code, frame_previous, frame_instr;
	uint16_t frame_entry, frame_owner;
	uint16_t code_start, code_bytes;
	uint16_t code_name, code_file, code_scope; /* pointers; the third of what it belongs to */
	uint16_t code_line;                        /* 32 bits */
	uint16_t code_instr;                       /* first instruction, from the object's start */
	uint16_t string_same;  /* 16 bytes of a string that change with its content */
	uint8_t kind;          /* enum fg_script_kind */
	uint8_t place;         /* enum fg_script_place */
	uint8_t shim_owner;    /* owners from here on are no functions; 0: there are none */
	uint8_t native_type;   /* PHP: the code's first byte when it is native; 0: none */
	uint16_t native_bytes; /* of such a code */
	uint16_t line_instr;   /* FG_PLACE_LINE: of the line in an instruction */
	uint16_t scope_name;   /* PHP: a class's name */
	uint16_t string_data;  /* the first character of a plain string */
	uint16_t string_state; /* Python: 32 bits about a string's kind */
	uint16_t changing; /* set by the BPF side: code was seen to take the place of other code */
	uint16_t reserved[2];
};

/* What a code object is called, read when a sample first meets it: code may be gone before anybody
 * else can ask. Strings are cut and end with a zero. */
enum { FG_SCRIPT_CAPTURE_NAME = 128, FG_SCRIPT_CAPTURE_FILE = 256 };
struct fg_bpf_script_name {
	uint64_t word, check; /* as emitted, without entry and place */
	uint32_t image, line;
	uint32_t name_state, file_state;
	char name[FG_SCRIPT_CAPTURE_NAME], scope[FG_SCRIPT_CAPTURE_NAME];
	char file[FG_SCRIPT_CAPTURE_FILE];
};
enum { FG_SCRIPT_NAME_RING_BYTES = 1 << 20, FG_SCRIPT_SEEN = 1 << 14 };

/* First word of a frame: flags above the address. */
#define FG_SCRIPT_WORD_ENTRY   (1ull << 48)
#define FG_SCRIPT_WORD_NATIVE  (1ull << 49) /* a function of the runtime itself */
#define FG_SCRIPT_WORD_ADDRESS ((1ull << 48) - 1)
/* Second word: check above, place below (all ones: unknown). */
#define FG_SCRIPT_PLACE_BITS 24
#define FG_SCRIPT_PLACE_MASK ((1ull << FG_SCRIPT_PLACE_BITS) - 1)

/* One word into a check. Not cryptographic: it tells a code object from the one that took its
 * memory, and the target can only fool itself. */
static inline uint64_t fg_script_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}
static inline uint64_t fg_script_check(uint64_t hash)
{
	return hash & ~FG_SCRIPT_PLACE_MASK;
}

_Static_assert(sizeof(struct fg_bpf_script) == 96, "as both sides see it");

#endif
