/* SPDX-License-Identifier: Apache-2.0 */
/* Steps: requests, think times, groups (flattened with their path), checks. */
#include "runner/scenario/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { STEPS_MAX = FG_REGISTRY_CLASSES_MAX, CHECKS_MAX = 256 };

void fg_reader_push_step(struct fg_reader *reader, struct fg_scenario *scenario,
			 struct fg_step *step)
{
	struct fg_err err = {0};

	if (!scenario || reader->fatal ||
	    fg_reader_failed(reader,
			     FG_VEC_ROOM(&scenario->steps, items, count, capacity, STEPS_MAX, &err),
			     &err)) {
		fg_step_done(step);
		return;
	}
	scenario->steps.items[scenario->steps.count++] = *step;
}

/* -- lists of steps ------------------------------------------------------------------------- */

static const struct fg_key *find_step(struct fg_reader *reader, const struct fg_node *item,
				      const struct fg_node **ret_key)
{
	const struct fg_key *found = NULL;

	for (size_t i = 0; i + 1 < item->count; i += 2) {
		const struct fg_node *name = item->items[i];
		const struct fg_key *key = fg_schema_find(&fg_schema_step, name->text, NULL);

		if (found && key && strcmp(key->name, "with") == 0 &&
		    strcmp(found->name, "run") == 0)
			continue;
		if (found) {
			fg_reader_fault(reader, name,
					"a step has one key; \"%s\" belongs inside \"%s\" or into "
					"a step of its own",
					name->text, found->name);
			return NULL;
		}
		if (!key) {
			fg_reader_unknown(reader, name, &fg_schema_step);
			return NULL;
		}
		found = key;
		*ret_key = name;
	}
	if (!found)
		fg_reader_fault(reader, item, "a step is empty");
	return found;
}

void fg_reader_steps(struct fg_reader *reader, const struct fg_node *node, const char *group,
		     struct fg_scenario *scenario)
{
	const char *outer = reader->group;

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, "steps"))
		return;
	if (node->count > STEPS_MAX) {
		fg_reader_fault(reader, node, "more than %d steps", STEPS_MAX);
		return;
	}
	reader->group = group;
	for (size_t i = 0; i < node->count && !reader->fatal; i++) {
		const struct fg_node *item = node->items[i];
		const struct fg_node *name = NULL;

		if (item->kind != FG_NODE_MAP) {
			fg_reader_fault(reader, item, "a step is a map such as { get: /path }");
			continue;
		}
		const struct fg_key *key = find_step(reader, item, &name);

		if (!key)
			continue;
		if (key->later)
			fg_reader_later(reader, name, key->name, key->later);
		fg_reader_value(reader, key, fg_node_get(item, key->name, NULL), scenario);
	}
	reader->group = outer;
}

void fg_read_group_step(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	FG_AUTO_BUF struct fg_buf path = {0};
	struct fg_err err = {0};
	struct fg_node *steps = NULL;
	struct fg_node *name = NULL;

	fg_reader_object(reader, node, key->table, NULL);
	name = fg_node_get(node, "name", NULL);
	steps = fg_node_get(node, "steps", NULL);
	if (!name || !steps || name->kind != FG_NODE_SCALAR)
		return;
	FG_AUTO_FREE char *text = fg_template_text(reader, name, FG_TEXT_CONSTANT, NULL);

	if (text && (strstr(text, "::") || !text[0])) {
		fg_reader_fault(reader, name, "the name of a group cannot %s",
				text[0] ? "hold \"::\", which separates groups" : "be empty");
		return;
	}
	fg_buf_init(&path, 4096);
	fg_buf_addf(&path, "%s::%s", reader->group ? reader->group : "", text ? text : "");
	if (!fg_reader_failed(reader, fg_buf_check(&path, &err), &err))
		fg_reader_steps(reader, steps, path.data, owner);
}

/* -- think ---------------------------------------------------------------------------------- */

static void check_think(struct fg_reader *reader, const struct fg_node *node,
			const struct fg_step_think *think)
{
	const struct fg_node *min = fg_node_get(node, "min", NULL);
	const struct fg_node *max = fg_node_get(node, "max", NULL);

	if (!min || !max)
		fg_reader_fault(reader, node, "think needs \"min\" and \"max\"");
	else if (think->min_ns > think->max_ns)
		fg_reader_fault(reader, max, "max is below min");
	else if (think->distribution == FG_THINK_CONSTANT && think->min_ns != think->max_ns)
		fg_reader_fault(reader, max,
				"a constant think time has min equal to max; write think: 1s");
}

void fg_read_think_step(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	struct fg_step step = {.kind = FG_STEP_THINK, .place = fg_reader_place(reader, node)};

	if (node->kind == FG_NODE_MAP) {
		step.think.distribution = FG_THINK_UNIFORM;
		size_t before = fg_diag_count(reader->diagnostics);

		fg_reader_object(reader, node, key->table, &step.think);
		if (fg_diag_count(reader->diagnostics) == before)
			check_think(reader, node, &step.think);
	} else {
		struct fg_key value = {
			.name = key->name, .type = FG_T_DURATION, FG_AT(fg_step_think, min_ns)};

		fg_reader_value(reader, &value, node, &step.think);
		step.think.max_ns = step.think.min_ns;
	}
	fg_reader_push_step(reader, owner, &step);
}

/* -- status, checks ------------------------------------------------------------------------- */

/* "200", "2xx", "200-299". */
static bool parse_status(const char *text, uint16_t *ret_low, uint16_t *ret_high)
{
	size_t len = strlen(text);
	uint64_t low = 0;
	uint64_t high = 0;

	if (len == 3 && text[0] >= '1' && text[0] <= '5' && strcmp(text + 1, "xx") == 0) {
		low = (uint64_t)(text[0] - '0') * 100;
		high = low + 99;
	} else if (len == 7 && text[3] == '-') {
		if (fg_num_u64(text, 3, &low, NULL) || fg_num_u64(text + 4, 3, &high, NULL))
			return false;
	} else {
		if (fg_num_u64(text, len, &low, NULL))
			return false;
		high = low;
	}
	if (low < 100 || high > 599 || low > high)
		return false;
	*ret_low = (uint16_t)low;
	*ret_high = (uint16_t)high;
	return true;
}

static_assert(offsetof(struct fg_check_spec, condition.status_high) ==
		      offsetof(struct fg_check_spec, condition.status_low) + sizeof(uint16_t),
	      "fg_read_status writes both");
static_assert(offsetof(struct fg_step_http, expect_status_high) ==
		      offsetof(struct fg_step_http, expect_status_low) + sizeof(uint16_t),
	      "fg_read_status writes both");

void fg_read_status(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		    void *owner)
{
	uint16_t range[2];

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, "status"))
		return;
	FG_AUTO_FREE char *text = fg_template_text(reader, node, FG_TEXT_CONSTANT, NULL);

	if (!text)
		return;
	if (!parse_status(text, &range[0], &range[1]))
		fg_reader_fault(reader, node,
				"\"%.40s\" is not a status; write 200, 2xx or 200-299", text);
	else if (owner)
		memcpy((char *)owner + key->offset, range, sizeof(range));
}

static void name_check(struct fg_reader *reader, const struct fg_node *status,
		       struct fg_check_spec *check)
{
	char text[64];
	struct fg_err err = {0};

	if (check->name)
		return;
	(void)snprintf(text, sizeof(text), "status is %.40s", status->text);
	(void)fg_reader_failed(reader, fg_str_dup(text, &check->name, &err), &err);
}

void fg_read_checks(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		    void *owner)
{
	struct fg_step_http *http = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	for (size_t i = 0; i < node->count && !reader->fatal; i++) {
		const struct fg_node *item = node->items[i];
		const struct fg_node *status = fg_node_get(item, "status", NULL);
		struct fg_check_spec check = {0};
		size_t before = fg_diag_count(reader->diagnostics);
		struct fg_err err = {0};

		fg_reader_object(reader, item, key->table, &check);
		if (!status && fg_diag_count(reader->diagnostics) == before && !reader->later)
			fg_reader_fault(reader, item,
					"a check needs a condition, such as status: 200");
		if (!http || !status || !check.condition.status_low ||
		    fg_reader_failed(reader,
				     FG_VEC_ROOM(http, checks, check_count, check_capacity,
						 CHECKS_MAX, &err),
				     &err)) {
			free(check.name);
			continue;
		}
		name_check(reader, status, &check);
		http->checks[http->check_count++] = check;
	}
}
