/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a flame graph, between who builds it and who draws it. */
#ifndef FG_REPORT_FLAME_INTERNAL_H
#define FG_REPORT_FLAME_INTERNAL_H

#include "gate/base/buf.h"
#include "gate/base/utf8.h"
#include "gate/report/flame.h"

enum {
	FG_FLAME_DEPTH_MAX = 256, /* rows; what is deeper becomes one frame that says so */
	FG_FLAME_NODES_MAX = 1 << 22,
};

enum fg_flame_kind {
	FG_FLAME_ALL, /* the frame below everything */
	FG_FLAME_NATIVE,
	FG_FLAME_INLINED,
	FG_FLAME_KERNEL,
	FG_FLAME_JIT,
	FG_FLAME_SCRIPT,
	FG_FLAME_UNNAMED,
	FG_FLAME_MISSING, /* [truncated], [unknown], what is too deep */
	FG_FLAME_KIND_COUNT
};
const char *fg_flame_kind_name(enum fg_flame_kind kind); /* for people */

/* A function as it is drawn; equal ones of two profiles are one. */
struct fg_flame_frame {
	const char *name, *module, *filename; /* the profile's */
	uint32_t line;
	enum fg_flame_kind kind;
	bool guessed;
};

struct fg_flame_node { /* in preorder: a node's descendants follow it */
	uint32_t frame;
	uint32_t depth;
	uint64_t start; /* samples before it: its left edge */
	uint64_t total, self;
	uint64_t base_total; /* of the other profile */
};

struct fg_flame_tree {
	struct fg_flame_frame *frames;
	size_t frame_count, frame_capacity;
	struct fg_flame_node *nodes; /* [0] is everything */
	size_t node_count, node_capacity;
	uint32_t depth;
	uint64_t samples, base_samples;
};

/** `base` may be NULL. Both profiles must outlive the tree. */
int fg_flame_tree_new(const struct fg_profile *profile, const struct fg_profile *base,
		      struct fg_flame_tree **ret, struct fg_err *err) FG_MUST_USE;
void fg_flame_tree_free(struct fg_flame_tree *tree);

/** "#e8a05c": by kind and module, or by a difference from −1 to 1. */
void fg_flame_colour(enum fg_flame_kind kind, const char *module, const char *name, char ret[8]);
void fg_flame_difference_colour(double difference, char ret[8]);

/** Text of XML: escaped, without characters that XML or a reader's eye does not allow; at most
 *  `max_chars` characters. */
void fg_flame_escape(const char *text, size_t max_chars, struct fg_buf *out);

/** The samples that the options ask for; see fg_profile_view(). */
int fg_flame_view(const struct fg_bundle *bundle, const struct fg_flame_options *options,
		  struct fg_profile *ret, struct fg_err *err) FG_MUST_USE;

/* Embedded from web/ at build time. */
extern const char fg_flame_script[], fg_flame_css[];

#endif
