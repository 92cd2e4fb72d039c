/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML text → a tree of nodes with places. The only face of libyaml.
 *
 * Promises: bounded bytes, depth and nodes (an alias counts as often as it is used); one document;
 * no duplicate keys; keys are texts; scalars stay text, typed later by the schema. Nodes belong to
 * the tree; an alias shares the node of its anchor.
 */
#ifndef FG_SCENARIO_YAML_H
#define FG_SCENARIO_YAML_H

#include "runner/scenario/diag.h"

enum fg_node_kind { FG_NODE_SCALAR, FG_NODE_LIST, FG_NODE_MAP };

struct fg_node {
	struct fg_node *next; /* every node of the tree, for freeing */
	enum fg_node_kind kind;
	struct fg_mark mark;
	const struct fg_source *source; /* where it was written */
	unsigned weight;                /* nodes below and with it, aliases expanded */
	unsigned height;
	bool plain;             /* not quoted: may mean a number, a boolean or nothing */
	bool literal;           /* scalar text stands in the source as it is (quotes apart) */
	bool expanded;          /* ${NAME} was replaced */
	bool broken;            /* a fault in it is reported already */
	char *text;             /* scalar */
	struct fg_node **items; /* list: values; map: key, value, key, value … */
	size_t count, capacity; /* of items */
};

struct fg_yaml {
	struct fg_node *root;
	struct fg_node *all;
};

/** Parses; faults go to `diagnostics`. Returns 0 with *ret (owned by the caller, fg_yaml_free) also
 *  when there were faults that leave a tree to look at; -FG_E_INVALID when there is no tree. */
int fg_yaml_parse(const struct fg_source *source, struct fg_yaml **ret,
		  struct fg_diagnostics *diagnostics, struct fg_err *err) FG_MUST_USE;
void fg_yaml_free(struct fg_yaml *yaml);
/** `into` owns the nodes of `from` from now on; `from` is gone. */
void fg_yaml_adopt(struct fg_yaml *into, struct fg_yaml *from);

/** A new empty node that the tree owns; NULL without memory. */
struct fg_node *fg_node_new(struct fg_yaml *yaml, enum fg_node_kind kind,
			    const struct fg_source *source, struct fg_mark mark);
int fg_node_append(struct fg_node *node, struct fg_node *item, struct fg_err *err) FG_MUST_USE;
/** The value of a key, or NULL; `ret_key` (may be NULL) gets the key's node. */
struct fg_node *fg_node_get(const struct fg_node *map, const char *key, struct fg_node **ret_key);
/** True for a plain empty scalar, ~ or null: nothing was written. */
bool fg_node_is_nothing(const struct fg_node *node);

#endif
