/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/report/top.h"

#include <stdlib.h>
#include <string.h>

#include "gate/profile/name_pattern.h"
#include "gate/report/report_internal.h"

enum { LISTED_MAX = 8 };

void fg_top_free(struct fg_top *top)
{
	if (!top)
		return;
	fg_relations_done(&top->relations);
	fg_cost_free(top->cost);
	free(top->rows);
	free(top);
}

/* "measure" unless told otherwise; NULL for all of them. */
static const char *phase_of(const struct fg_top_options *options)
{
	if (!options->phase)
		return "measure";
	return strcmp(options->phase, "all") == 0 ? NULL : options->phase;
}

typedef uint32_t label_fn(const struct fg_psample *sample);

static uint32_t phase_label(const struct fg_psample *sample)
{
	return sample->phase;
}

static uint32_t endpoint_label(const struct fg_psample *sample)
{
	return sample->endpoint;
}

/* "GET /items, POST /login": the labels that samples carry. */
static void list_labels(const struct fg_profile *profile, label_fn *label, struct fg_buf *out)
{
	uint32_t seen[LISTED_MAX];
	size_t count = 0;

	for (size_t i = 0; i < profile->sample_count; i++) {
		uint32_t one = label(&profile->samples[i]);
		bool known = one == 0;

		for (size_t k = 0; k < count && !known; k++)
			known = seen[k] == one;
		if (known)
			continue;
		if (count == LISTED_MAX) {
			fg_buf_add_str(out, " …");
			return;
		}
		seen[count++] = one;
		fg_buf_addf(out, "%s\"%.200s\"", out->len ? ", " : "",
			    fg_profile_text(profile, one));
	}
}

static bool has_label(const struct fg_profile *profile, label_fn *label, const char *wanted)
{
	for (size_t i = 0; i < profile->sample_count; i++)
		if (strcmp(fg_profile_text(profile, label(&profile->samples[i])), wanted) == 0)
			return true;
	return false;
}

int fg_report_check_labels(const struct fg_profile *profile, const char *phase,
			   const char *endpoint, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf list = {.max = FG_ERR_MESSAGE_MAX / 2};

	if (profile->sample_count == 0)
		return 0;
	if (phase && !has_label(profile, phase_label, phase)) {
		list_labels(profile, phase_label, &list);
		return fg_err_set(err, FG_E_USAGE, "no sample is of phase \"%.100s\"; there is %s",
				  phase, list.len ? list.data : "none");
	}
	if (!endpoint || has_label(profile, endpoint_label, endpoint))
		return 0;
	list_labels(profile, endpoint_label, &list);
	if (!list.len)
		return fg_err_set(err, FG_E_USAGE,
				  "this profile's samples carry no request classes, so there is "
				  "none of \"%.100s\"",
				  endpoint);
	return fg_err_set(err, FG_E_USAGE, "no sample is of request class \"%.100s\"; there is %s",
			  endpoint, list.data);
}

/* -- what one sample is worth -------------------------------------------------------------------
 */

static uint64_t samples_of(const struct fg_profile *profile, const char *phase)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < profile->sample_count; i++)
		if (!phase ||
		    strcmp(fg_profile_text(profile, profile->samples[i].phase), phase) == 0)
			sum += profile->samples[i].count;
	return sum;
}

static bool is_class(const struct fg_registry *registry, size_t index, const char *endpoint)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 8192};

	fg_registry_class_text(registry, index, &text);
	return text.data && strcmp(text.data, endpoint) == 0;
}

static uint64_t requests_of(const struct fg_result *result, const char *endpoint)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < result->totals->class_count; i++)
		if (!endpoint || is_class(&result->registry, i, endpoint))
			sum += fg_slice_class(result->totals, i, false)->requests +
			       fg_slice_class(result->totals, i, true)->requests;
	return sum;
}

/* Whether enough samples carry a class that the cost of one can be told. */
static bool tells_classes(const struct fg_result *result, const struct fg_profile *profile,
			  const char *phase)
{
	const struct fg_cost_options none = {.phase = phase, .endpoint = ""};
	uint64_t all = samples_of(profile, phase), without = 0;

	for (size_t i = 0; i < profile->sample_count; i++)
		if (fg_cost_counts(profile, &none, &profile->samples[i]))
			without += profile->samples[i].count;
	return fg_report_tells_classes(&result->profile, all - FG_MIN(without, all), all);
}

static double recording_sample_ns(const struct fg_result *result, double sample_ns)
{
	return result->measured_ns ? sample_ns * (double)FG_NS_PER_S / (double)result->measured_ns
				   : -1;
}

static double class_sample_ns(const struct fg_result *result, const struct fg_profile *profile,
			      const char *endpoint, double sample_ns)
{
	uint64_t requests = requests_of(result, endpoint);

	return requests && tells_classes(result, profile, "measure") ? sample_ns / (double)requests
								     : -1;
}

/* The scheduler's clock says how much, samples say where; where it does not, a sample is its
 * period. Per request only of the measured phase: others have none. */
double fg_report_sample_ns(const struct fg_result *result, const struct fg_profile *profile,
			   const char *phase, const char *endpoint, const char **ret_unit)
{
	const bool measured = phase && strcmp(phase, "measure") == 0;
	uint64_t samples = measured ? samples_of(profile, phase) : 0;
	const bool exact = samples && profile->type == FG_PROFILE_CPU;
	double per_request = fg_result_cpu_per_request_ns(result);
	double sample_ns = exact && result->measured_target_cpu_ns
				   ? (double)result->measured_target_cpu_ns / (double)samples
				   : (double)profile->period_ns;

	*ret_unit = "";
	/* faults are counts, no times */
	if (!measured || profile->type == FG_PROFILE_FAULTS)
		return -1;
	*ret_unit = fg_result_is_recording(result) ? "second" : "request";
	if (fg_result_is_recording(result))
		return recording_sample_ns(result, sample_ns);
	if (endpoint)
		return class_sample_ns(result, profile, endpoint, sample_ns);
	if (per_request >= 0 && exact)
		return per_request / (double)samples;
	uint64_t requests = requests_of(result, NULL);

	return requests ? sample_ns / (double)requests : -1;
}

/* -- the rows -----------------------------------------------------------------------------------
 */

static int by_total(const void *left, const void *right)
{
	const struct fg_cost_row *a = *(const struct fg_cost_row *const *)left;
	const struct fg_cost_row *b = *(const struct fg_cost_row *const *)right;

	if (a->total != b->total)
		return a->total > b->total ? -1 : 1;
	return strcmp(a->key, b->key);
}

/* Single kernel functions are shown when someone looks for them; their time is in the groups. */
static bool is_shown(const struct fg_top *top, const struct fg_cost_row *row,
		     const struct fg_name_pattern *pattern)
{
	bool any = top->options.sort == FG_TOP_TOTAL || pattern ? row->total > 0 : row->self > 0;

	if (!any)
		return false;
	if (pattern)
		return fg_name_pattern_matches(pattern, row->name) ||
		       fg_name_pattern_matches(pattern, row->module) ||
		       fg_name_pattern_matches(pattern, row->filename);
	return !row->kernel || row->group;
}

static int choose_rows(struct fg_top *top, const struct fg_name_pattern *pattern,
		       struct fg_err *err)
{
	const struct fg_cost *cost = top->cost;
	size_t most = top->options.rows ? top->options.rows : FG_TOP_ROWS;

	top->rows = calloc(cost->count + 1, sizeof(*top->rows));
	if (!top->rows)
		return fg_err_nomem(err);
	for (size_t i = 0; i < cost->count; i++) {
		const struct fg_cost_row *row = &cost->rows[i];

		if (!is_shown(top, row, pattern))
			continue;
		top->rows[top->found++] = row;
		if (!row->kernel || row->group) /* a kernel function's time is in its group */
			top->found_self += row->self;
	}
	if (top->options.sort == FG_TOP_TOTAL && top->found)
		qsort(top->rows, top->found, sizeof(*top->rows), by_total);
	top->count = FG_MIN(top->found, most);
	return 0;
}

/* The whole name, with or without its module; else the only one that holds the text. */
static const struct fg_cost_row *find_function(const struct fg_cost *cost, const char *text,
					       const struct fg_name_pattern *pattern,
					       struct fg_buf *list, size_t *ret_count)
{
	const struct fg_cost_row *found = NULL;
	size_t exact = 0, loose = 0;

	for (size_t i = 0; i < cost->count; i++) {
		const struct fg_cost_row *row = &cost->rows[i];

		if (row->group)
			continue;
		if (strcmp(row->name, text) == 0 || strcmp(row->key, text) == 0) {
			if (!exact++)
				fg_buf_clear(list);
			found = row;
		} else if (exact || !fg_name_pattern_matches(pattern, row->name)) {
			continue;
		} else if (!loose++) {
			found = row;
		}
		if (FG_MAX(exact, loose) <= LISTED_MAX)
			fg_buf_addf(list, "%s\"%.120s\"", list->len ? ", " : "", row->key);
	}
	*ret_count = exact ? exact : loose;
	return found;
}

static int find_relative(struct fg_top *top, const struct fg_cost_options *options,
			 struct fg_err *err)
{
	const char *text = top->options.relative;
	const char *option = top->options.callers ? "--callers" : "--callees";
	struct fg_name_pattern *pattern = NULL;
	FG_AUTO_BUF struct fg_buf list = {.max = FG_ERR_MESSAGE_MAX / 2};
	size_t count = 0;
	int rc = fg_name_pattern_new(text, &pattern, err);

	if (rc)
		return fg_err_wrap(err, "%s", option);
	top->relative = find_function(top->cost, text, pattern, &list, &count);
	fg_name_pattern_free(pattern);
	if (!count)
		return fg_err_set(err, FG_E_USAGE,
				  "%s: no function of this profile is called \"%.200s\"; flamegate "
				  "top --search finds parts of names",
				  option, text);
	if (count > 1)
		return fg_err_set(err, FG_E_USAGE, "%s: %zu functions fit \"%.200s\": %s%s", option,
				  count, text, list.data ? list.data : "",
				  count > LISTED_MAX ? " …" : "");
	return fg_relate(top->profile, options, top->cost, top->relative, top->options.callers,
			 &top->relations, err);
}

static int fill(struct fg_top *top, struct fg_err *err)
{
	const struct fg_top_options *options = &top->options;
	const char *phase = phase_of(options);
	const struct fg_cost_options cost = {.phase = phase, .endpoint = options->endpoint};
	struct fg_name_pattern *pattern = NULL;
	int rc = fg_report_check_labels(top->profile, phase, options->endpoint, err);

	if (rc == 0 && options->search)
		rc = fg_name_pattern_new(options->search, &pattern, err);
	if (rc && options->search && !pattern)
		(void)fg_err_wrap(err, "--search");
	if (rc == 0)
		rc = fg_cost_new(top->profile, &cost, &top->cost, err);
	if (rc == 0)
		rc = choose_rows(top, pattern, err);
	if (rc == 0 && options->relative)
		rc = find_relative(top, &cost, err);
	if (rc == 0)
		top->sample_ns = fg_report_sample_ns(top->result, top->profile, phase,
						     options->endpoint, &top->unit);
	fg_name_pattern_free(pattern);
	return rc;
}

int fg_top_new(const struct fg_result *result, const struct fg_profile *profile,
	       const struct fg_top_options *options, struct fg_top **ret, struct fg_err *err)
{
	if (!profile)
		return fg_err_set(err, FG_E_NO_DATA, "the bundle has no profile: %s",
				  result->profile.why_absent[0] ? result->profile.why_absent
								: "it was not asked for");
	struct fg_top *top = calloc(1, sizeof(*top));

	if (!top)
		return fg_err_nomem(err);
	top->result = result;
	top->profile = profile;
	top->options = *options;
	top->unit = "";
	int rc = fill(top, err);

	if (rc)
		fg_top_free(top);
	else
		*ret = top;
	return rc;
}
