/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of steps, and the steps that are not requests. */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { CHOICES_MAX = 256 };

void fg_reader_push_step(struct fg_reader *reader, struct fg_steps *steps, struct fg_step *step)
{
	struct fg_err err = {0};

	if (!steps || reader->fatal ||
	    fg_reader_failed(
		    reader, FG_VEC_ROOM(steps, items, count, capacity, FG_SCENARIO_STEPS_MAX, &err),
		    &err)) {
		fg_step_done(step);
		return;
	}
	steps->items[steps->count++] = *step;
}

char *fg_reader_name(struct fg_reader *reader, const struct fg_node *node)
{
	struct fg_err err = {0};
	FG_AUTO_FREE char *text = fg_template_text(reader, node, FG_TEXT_CONSTANT, NULL);
	char *masked = text ? fg_secrets_mask(&reader->file->secrets, text, &err) : NULL;

	if (text && !masked)
		(void)fg_reader_failed(reader, -(int)err.code, &err);
	return masked;
}

/* -- lists of steps ------------------------------------------------------------------------- */

/* "with" is the second key of "run", wherever it stands. */
static bool is_argument(const struct fg_node *item, const struct fg_node *name)
{
	return strcmp(name->text, "with") == 0 && fg_node_get(item, "run", NULL);
}

static const struct fg_key *find_step(struct fg_reader *reader, const struct fg_node *item,
				      const struct fg_node **ret_key)
{
	const struct fg_key *found = NULL;

	for (size_t i = 0; i + 1 < item->count; i += 2) {
		const struct fg_node *name = item->items[i];
		const struct fg_key *key = fg_schema_find(&fg_schema_step, name->text, NULL);

		if (is_argument(item, name))
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

static void read_step(struct fg_reader *reader, const struct fg_node *item, struct fg_steps *steps)
{
	const struct fg_node *outer = reader->item;
	const struct fg_node *name = NULL;

	if (item->kind != FG_NODE_MAP) {
		fg_reader_fault(reader, item, "a step is a map such as { get: /path }");
		return;
	}
	const struct fg_key *key = find_step(reader, item, &name);

	if (!key)
		return;
	if (reader->in_parallel && key->table != &fg_schema_request) {
		fg_reader_fault(reader, name, "parallel holds requests only, not %s", key->name);
		return;
	}
	reader->item = item;
	fg_reader_value(reader, key, fg_node_get(item, key->name, NULL), steps);
	reader->item = outer;
}

void fg_reader_steps(struct fg_reader *reader, const struct fg_node *node, struct fg_steps *steps)
{
	if (!fg_reader_expect(reader, node, FG_NODE_LIST, "steps"))
		return;
	/* The look ahead said so already; reading them would only repeat itself. */
	if (reader->scopes.broken && node->count > FG_SCENARIO_STEPS_MAX)
		return;
	for (size_t i = 0; i < node->count && !reader->fatal; i++)
		read_step(reader, node->items[i], steps);
}

static struct fg_step new_step(const struct fg_reader *reader, enum fg_step_kind kind,
			       const struct fg_node *node)
{
	return (struct fg_step){.kind = kind, .place = fg_reader_place(reader, node)};
}

/* -- group ---------------------------------------------------------------------------------- */

void fg_read_group_name(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name))
		return;
	char *text = fg_reader_name(reader, node);

	if (text && (strstr(text, "::") || !text[0]))
		fg_reader_fault(reader, node, "the name of a group cannot %s",
				text[0] ? "hold \"::\", which separates groups" : "be empty");
	if (!owner || ((struct fg_step_group *)owner)->name)
		free(text);
	else
		((struct fg_step_group *)owner)->name = text;
}

void fg_read_group_step(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	struct fg_step step = new_step(reader, FG_STEP_GROUP, node);

	fg_reader_object(reader, node, key->table, &step.group);
	fg_reader_push_step(reader, step.group.name ? owner : NULL, &step);
}

/* -- think ---------------------------------------------------------------------------------- */

static void check_think(struct fg_reader *reader, const struct fg_node *node,
			const struct fg_step_think *think)
{
	const struct fg_node *max = fg_node_get(node, "max", NULL);

	if (think->min_ns > think->max_ns)
		fg_reader_fault(reader, max, "max is below min");
	else if (think->distribution == FG_THINK_CONSTANT && think->min_ns != think->max_ns)
		fg_reader_fault(reader, max,
				"a constant think time has min equal to max; write think: 1s");
}

void fg_read_think_step(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	struct fg_step step = new_step(reader, FG_STEP_THINK, node);

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

/* -- loop, if, choose, parallel ------------------------------------------------------------- */

/* A condition without {{ }} is a text, and every text is true. */
static void check_condition(struct fg_reader *reader, const struct fg_node *node, const char *name)
{
	if (!node || node->broken)
		return;
	if (node->kind != FG_NODE_SCALAR || fg_node_is_nothing(node))
		(void)fg_reader_expect(reader, node, FG_NODE_SCALAR, name);
	else if (!fg_template_is_single(node->text) &&
		 !((node->plain || node->expanded) && fg_json_is_bare(node->text)))
		fg_reader_fault(reader, node, "%s wants one {{ }}, such as \"{{ i < 3 }}\"", name);
}

/* What is known at load is checked at load; the text of a ${NAME} in quotes may be a number. */
static bool known_value(const struct fg_template *operand, struct fg_value *ret)
{
	const struct fg_template_part *part = operand->parts;

	*ret = (struct fg_value){.kind = FG_VALUE_TEXT, .text = "", .len = 0};
	if (operand->part_count == 0)
		return true;
	if (operand->part_count > 1)
		return false;
	if (part->kind == FG_PART_EXPR)
		return fg_expr_constant(part->expr, ret);
	ret->text = part->text;
	ret->len = part->len;
	return part->kind == FG_PART_TEXT;
}

static void check_count(struct fg_reader *reader, const struct fg_node *node,
			const struct fg_template *operand)
{
	struct fg_value value;
	double number;

	if (!known_value(operand, &value) || node->broken)
		return;
	if (!fg_value_number(&value, &number) || number < 0 || number > FG_LOOP_TURNS_MAX ||
	    number != (double)(uint64_t)number)
		fg_reader_fault(reader, node, "count wants a whole number from 0 to %d",
				FG_LOOP_TURNS_MAX);
}

static void check_list(struct fg_reader *reader, const struct fg_node *node)
{
	if (node->kind == FG_NODE_LIST || node->broken ||
	    (node->kind == FG_NODE_SCALAR && fg_template_is_single(node->text)))
		return;
	fg_reader_fault(reader, node, "over wants a list, or one {{ }} that is one");
}

void fg_read_loop_variable(struct fg_reader *reader, const struct fg_key *key,
			   const struct fg_node *node, void *owner)
{
	struct fg_step_loop *loop = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name) ||
	    !fg_names_check(reader, node, "a loop's variable"))
		return;
	int slot = fg_scope_slot(reader, node->text, strlen(node->text));

	if (slot < 0)
		return;
	if (fg_bits_has(&reader->loops, (size_t)slot))
		fg_reader_fault(reader, node, "\"%s\" is the variable of a loop around this one",
				node->text);
	if (fg_node_get(reader->vars, node->text, NULL))
		fg_reader_fault(reader, node, "\"%s\" is one of vars: already", node->text);
	fg_bits_set(&reader->loops, (size_t)slot);
	if (!loop)
		return;
	loop->has_variable = true;
	loop->slot = (uint32_t)slot;
}

void fg_read_loop_step(struct fg_reader *reader, const struct fg_key *key,
		       const struct fg_node *node, void *owner)
{
	static const char *const names[] = {"count", "over", "while"};
	static const enum fg_loop_kind kinds[] = {FG_LOOP_COUNT, FG_LOOP_OVER, FG_LOOP_WHILE};
	struct fg_step step = new_step(reader, FG_STEP_LOOP, node);
	struct fg_bits outer = reader->loops;
	const char *found = NULL;
	size_t before = fg_diag_count(reader->diagnostics);

	fg_reader_object(reader, node, key->table, &step.loop);
	reader->loops = outer;
	if (node->kind == FG_NODE_MAP &&
	    fg_reader_one_of(reader, node, names, FG_ARRAY_LEN(names), &found) && !found)
		fg_reader_fault(reader, node, "loop needs one of count, over and while");
	for (size_t i = 0; found && i < FG_ARRAY_LEN(names); i++)
		if (strcmp(found, names[i]) == 0)
			step.loop.kind = kinds[i];
	const struct fg_node *operand = found ? fg_node_get(node, found, NULL) : NULL;

	if (operand && fg_diag_count(reader->diagnostics) == before) {
		if (step.loop.kind == FG_LOOP_WHILE)
			check_condition(reader, operand, found);
		else if (step.loop.kind == FG_LOOP_OVER)
			check_list(reader, operand);
		else
			check_count(reader, operand, &step.loop.operand);
	}
	fg_reader_push_step(reader, operand ? owner : NULL, &step);
}

void fg_read_if_step(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	struct fg_step step = new_step(reader, FG_STEP_IF, node);

	fg_reader_object(reader, node, key->table, &step.condition);
	check_condition(reader, fg_node_get(node, "when", NULL), "when");
	fg_reader_push_step(reader, owner, &step);
}

void fg_read_choose_step(struct fg_reader *reader, const struct fg_key *key,
			 const struct fg_node *node, void *owner)
{
	struct fg_step step = new_step(reader, FG_STEP_CHOOSE, node);
	struct fg_step_choose *choose = &step.choose;

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	if (node->count == 0)
		fg_reader_fault(reader, node, "choose is empty; it needs at least one choice");
	if (node->count > CHOICES_MAX)
		fg_reader_fault(reader, node, "more than %d choices", CHOICES_MAX);
	for (size_t i = 0; i < node->count && i < CHOICES_MAX && !reader->fatal; i++) {
		struct fg_err err = {0};

		if (fg_reader_failed(reader,
				     FG_VEC_ROOM(choose, items, count, capacity, CHOICES_MAX, &err),
				     &err))
			break;
		struct fg_choice_branch *branch = &choose->items[choose->count++];

		fg_reader_defaults(reader, key->table, branch);
		fg_reader_object(reader, node->items[i], key->table, branch);
		choose->weight_sum += branch->weight;
	}
	fg_reader_push_step(reader, owner, &step);
}

void fg_read_parallel_step(struct fg_reader *reader, const struct fg_key *key,
			   const struct fg_node *node, void *owner)
{
	struct fg_step step = new_step(reader, FG_STEP_PARALLEL, node);

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	if (node->count == 0)
		fg_reader_fault(reader, node, "parallel is empty; it needs at least one request");
	if (node->count > FG_PARALLEL_MAX)
		fg_reader_fault(reader, node, "more than %d parallel requests", FG_PARALLEL_MAX);
	reader->in_parallel = true;
	fg_reader_steps(reader, node, &step.parallel.steps);
	reader->in_parallel = false;
	fg_reader_push_step(reader, owner, &step);
}

/* -- log, fail, metric ---------------------------------------------------------------------- */

void fg_read_text_step(struct fg_reader *reader, const struct fg_key *key,
		       const struct fg_node *node, void *owner)
{
	enum fg_step_kind kind = strcmp(key->name, "log") == 0 ? FG_STEP_LOG : FG_STEP_FAIL;
	struct fg_step step = new_step(reader, kind, node);

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name))
		return;
	fg_template_read(reader, node, &step.text.text);
	fg_reader_push_step(reader, owner, &step);
}

/* k6's rule for the names of metrics; the registry has the last word (built-ins, types). */
static void check_metric_name(struct fg_reader *reader, const struct fg_node *node,
			      const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_";
	size_t len = strlen(name);

	if (!node || node->kind != FG_NODE_SCALAR)
		return;
	if (len < 2 || len > 129 || name[strspn(name, allowed)] ||
	    (name[0] >= '0' && name[0] <= '9'))
		fg_reader_fault(reader, node,
				"the name of a metric is a letter or _, then 1 to 128 letters, "
				"digits and _");
	else if (fg_metric_find(name) >= 0)
		fg_reader_fault(reader, node, "\"%s\" is a built-in metric; call yours otherwise",
				name);
}

void fg_read_metric_step(struct fg_reader *reader, const struct fg_key *key,
			 const struct fg_node *node, void *owner)
{
	struct fg_step step = new_step(reader, FG_STEP_METRIC, node);
	struct fg_node *time = NULL;

	fg_reader_object(reader, node, key->table, &step.metric);
	if (step.metric.name)
		check_metric_name(reader, fg_node_get(node, "name", NULL), step.metric.name);
	(void)fg_node_get(node, "time", &time);
	if (step.metric.is_time && step.metric.type != FG_METRIC_TREND)
		fg_reader_fault(reader, time, "time goes with type: trend");
	fg_reader_push_step(reader, step.metric.name ? owner : NULL, &step);
}
