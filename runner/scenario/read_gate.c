/* SPDX-License-Identifier: Apache-2.0 */
/* thresholds: and gate.rules:, whose texts gate/judge parses. */
#include "runner/scenario/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { THRESHOLDS_MAX = 1000 };

/* -- thresholds ----------------------------------------------------------------------------- */

/* Puts the parser's offset on the place in the file. */
static void report_text(struct fg_reader *reader, const struct fg_node *metric,
			const struct fg_node *text, const struct fg_err *err)
{
	const struct fg_node *node = err->line == FG_THRESHOLD_IN_METRIC ? metric : text;
	size_t at = err->column ? err->column - 1 : 0;
	size_t len = strlen(node->text);

	if (err->column && at <= len)
		fg_reader_fault_in(reader, node, at, at < len ? len - at : 1, "%s", err->message);
	else
		fg_reader_fault(reader, node, "%s", err->message);
}

/* The entry that was read as the index-th threshold, a text or a map; thresholds are read in order.
 */
static const struct fg_node *entry_at(const struct fg_node *thresholds, size_t index,
				      const struct fg_node **ret_metric)
{
	for (size_t i = 0; i + 1 < thresholds->count; i += 2) {
		const struct fg_node *value = thresholds->items[i + 1];
		const bool is_list = value->kind == FG_NODE_LIST;
		const size_t count = is_list ? value->count : 1;

		*ret_metric = thresholds->items[i];
		if (index < count)
			return is_list ? value->items[index] : value;
		index -= count;
	}
	return NULL;
}

void fg_threshold_fault(struct fg_reader *reader, const struct fg_node *root, size_t index,
			const struct fg_err *err)
{
	static const char *const keys[] = {
		[FG_THRESHOLD_IN_EXPRESSION] = "threshold",
		[FG_THRESHOLD_IN_WINDOW] = "window",
		[FG_THRESHOLD_IN_FROM] = "from",
		[FG_THRESHOLD_IN_TO] = "to",
		[FG_THRESHOLD_IN_STAGE] = "stage",
	};
	const struct fg_node *thresholds = fg_node_get(root, "thresholds", NULL);
	const struct fg_node *metric = root;
	const struct fg_node *node = thresholds ? entry_at(thresholds, index, &metric) : NULL;
	const char *key = err->line < FG_ARRAY_LEN(keys) ? keys[err->line] : NULL;

	if (node && node->kind == FG_NODE_MAP && key)
		node = fg_node_get(node, key, NULL);
	fg_reader_fault(reader, node && key ? node : metric, "%s", err->message);
}

static void set_place(struct fg_reader *reader, const struct fg_node *node, char **file,
		      unsigned *line, unsigned *column)
{
	struct fg_err err = {0};

	(void)fg_reader_failed(reader, fg_str_dup(reader->file->files[0], file, &err), &err);
	*line = node->mark.line;
	*column = node->mark.column;
}

static void add_threshold(struct fg_reader *reader, const struct fg_node *metric,
			  const struct fg_node *text, const struct fg_threshold *options)
{
	struct fg_scenario_file *file = reader->file;
	struct fg_threshold threshold = {0};
	struct fg_err err = {0};

	if (!fg_reader_expect(reader, text, FG_NODE_SCALAR, "a threshold"))
		return;
	FG_AUTO_FREE char *expression = fg_template_text(reader, text, FG_TEXT_CONSTANT, NULL);

	if (!expression)
		return;
	int rc = fg_threshold_parse(metric->text, expression, &threshold, &err);

	if (rc == -FG_E_NOMEM)
		(void)fg_reader_failed(reader, rc, &err);
	else if (rc)
		report_text(reader, metric, text, &err);
	if (rc)
		return;
	threshold.abort_on_fail = options->abort_on_fail;
	threshold.delay_abort_eval_ns = options->delay_abort_eval_ns;
	threshold.level = options->level;
	threshold.min_samples = options->min_samples;
	threshold.allow_no_data = options->allow_no_data;
	threshold.window_ns = options->window_ns;
	threshold.from_ns = options->from_ns;
	threshold.to_ns = options->to_ns;
	threshold.stage = options->stage;
	set_place(reader, text, &threshold.file, &threshold.line, &threshold.column);
	if (fg_reader_failed(reader,
			     FG_VEC_ROOM(file, thresholds, threshold_count, threshold_capacity,
					 THRESHOLDS_MAX, &err),
			     &err)) {
		fg_threshold_done(&threshold);
		return;
	}
	file->thresholds[file->threshold_count++] = threshold;
}

static void read_threshold(struct fg_reader *reader, const struct fg_node *metric,
			   const struct fg_node *node)
{
	struct fg_threshold options = {0};

	if (node->kind == FG_NODE_MAP) {
		const struct fg_node *text = fg_node_get(node, "threshold", NULL);

		fg_reader_defaults(reader, &fg_schema_threshold, &options);
		fg_reader_object(reader, node, &fg_schema_threshold, &options);
		if (text)
			add_threshold(reader, metric, text, &options);
		return;
	}
	add_threshold(reader, metric, node, &options);
}

void fg_read_thresholds(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	(void)owner;
	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	for (size_t i = 0; i + 1 < node->count && !reader->fatal; i += 2) {
		const struct fg_node *metric = node->items[i];
		const struct fg_node *value = node->items[i + 1];

		if (value->kind != FG_NODE_LIST) {
			read_threshold(reader, metric, value);
			continue;
		}
		if (value->count == 0)
			fg_reader_fault(reader, value, "this metric has no threshold");
		for (size_t j = 0; j < value->count && !reader->fatal; j++)
			read_threshold(reader, metric, value->items[j]);
	}
}

/* -- rules ---------------------------------------------------------------------------------- */

/* The name before the selector must be one that rules know; thresholds do not have ours. */
static bool check_metric(struct fg_reader *reader, const struct fg_node *metric, const char *text)
{
	static const char cpu[] = "cpu_per_request";
	size_t len = strcspn(text, "{ ");
	char name[64];

	(void)snprintf(name, sizeof(name), "%.*s", (int)FG_MIN(len, sizeof(name) - 1), text);
	if (strcmp(name, cpu) == 0 || fg_metric_find(name) >= 0)
		return true;
	const char *candidates[] = {cpu};

	if (!fg_str_nearest(name, candidates, FG_ARRAY_LEN(candidates)))
		return true; /* the parser of metrics knows better */
	fg_reader_fault(reader, metric, "no metric is named \"%s\"; did you mean \"%s\"?", name,
			cpu);
	return false;
}

static void report_rule(struct fg_reader *reader, int rc, const struct fg_node *subject,
			const struct fg_node *stat, const struct fg_err *err)
{
	if (rc == -FG_E_NOMEM)
		(void)fg_reader_failed(reader, rc, err);
	else if (rc == -FG_E_LATER)
		fg_reader_later(reader, subject, "cpu_per_request of one class", "D");
	else
		report_text(reader, subject, stat ? stat : subject, err);
}

static void read_metric_rule(struct fg_reader *reader, const struct fg_node *node,
			     struct fg_rule *rule)
{
	const struct fg_node *metric = fg_node_get(node, "metric", NULL);
	const struct fg_node *stat = fg_node_get(node, "stat", NULL);
	struct fg_err err = {0};

	if (metric->kind != FG_NODE_SCALAR || (stat && stat->kind != FG_NODE_SCALAR))
		return; /* reported as a wrong type */
	FG_AUTO_FREE char *text = fg_template_text(reader, metric, FG_TEXT_CONSTANT, NULL);

	if (!text || !check_metric(reader, metric, text))
		return;
	int rc = fg_rule_set_metric(rule, text, stat ? stat->text : NULL, &err);

	if (rc)
		report_rule(reader, rc, metric, stat, &err);
	else if (stat && rule->kind == FG_RULE_CPU_PER_REQUEST)
		fg_reader_fault(reader, stat, "cpu_per_request has no stat");
}

static void read_function_rule(struct fg_reader *reader, const struct fg_node *node,
			       struct fg_rule *rule)
{
	const struct fg_node *function = fg_node_get(node, "function", NULL);
	struct fg_err err = {0};

	if (function->kind != FG_NODE_SCALAR)
		return;
	FG_AUTO_FREE char *text = fg_template_text(reader, function, FG_TEXT_CONSTANT, NULL);
	int rc = text ? fg_rule_set_function(rule, text, rule->measure, &err) : 0;

	if (rc)
		report_rule(reader, rc, function, NULL, &err);
}

static void read_min_delta(const struct fg_node *node, struct fg_rule *rule)
{
	const struct fg_node *min_delta = fg_node_get(node, "minDelta", NULL);
	uint64_t ns = 0;

	if (min_delta && min_delta->kind == FG_NODE_SCALAR &&
	    fg_num_duration_ns(min_delta->text, strlen(min_delta->text), &ns, NULL) == 0)
		rule->min_delta_ns = (double)ns;
}

static void read_subject(struct fg_reader *reader, const struct fg_node *node, const char *subject,
			 struct fg_rule *rule)
{
	read_min_delta(node, rule);
	if (strcmp(subject, "metric") == 0)
		read_metric_rule(reader, node, rule);
	else if (strcmp(subject, "function") == 0)
		read_function_rule(reader, node, rule);
}

static void add_rule(struct fg_reader *reader, const struct fg_node *node, struct fg_gate *gate,
		     struct fg_rule *rule)
{
	static const char *const subjects[] = {"metric",  "function", "newFunctions",
					       "counter", "memory",   "budget"};
	size_t before = fg_diag_count(reader->diagnostics);
	const char *subject = NULL;
	struct fg_err err = {0};

	fg_reader_object(reader, node, &fg_schema_rule, rule);
	if (node->kind != FG_NODE_MAP ||
	    !fg_reader_one_of(reader, node, subjects, FG_ARRAY_LEN(subjects), &subject))
		return;
	if (!subject) {
		fg_reader_fault(reader, node, "a rule needs \"metric\" or \"function\"");
		return;
	}
	read_subject(reader, node, subject, rule);
	if (fg_diag_count(reader->diagnostics) != before)
		return;
	if (rule->max_increase < 0 && rule->max_decrease < 0)
		fg_reader_fault(reader, node, "a rule needs \"maxIncrease\" or \"maxDecrease\"");
	set_place(reader, node, &rule->file, &rule->line, &rule->column);
	if (!reader->fatal)
		(void)fg_reader_failed(reader, fg_gate_add_rule(gate, rule, &err), &err);
}

void fg_read_rules(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		   void *owner)
{
	struct fg_gate *gate = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name) || !gate)
		return;
	for (size_t i = 0; i < node->count && !reader->fatal; i++) {
		struct fg_rule rule;

		fg_rule_init(&rule, gate->level);
		rule.measure = FG_MEASURE_TOTAL;
		add_rule(reader, node->items[i], gate, &rule);
		fg_rule_done(&rule);
	}
}
