/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run can count: its scenarios, request classes and checks, fixed before it starts.
 *
 * A request class is scenario × step name × group; each has two halves, expected and unexpected
 * status. Workers and the merged result index their arrays by these definitions, so cardinality is
 * bounded by the scenario file. All strings are owned by the registry.
 */
#ifndef FG_MEASURE_REGISTRY_H
#define FG_MEASURE_REGISTRY_H

#include "gate/base/buf.h"
#include "gate/measure/metric.h"

enum {
	FG_REGISTRY_SCENARIOS_MAX = 256,
	FG_REGISTRY_CLASSES_MAX = 4096,
	FG_REGISTRY_CHECKS_MAX = 4096,
	FG_REGISTRY_TAGS_MAX = 32,
	FG_REGISTRY_CUSTOMS_MAX = 1024,
	FG_REGISTRY_GROUPS_MAX = 1024,
};

struct fg_tag {
	char *key;
	char *value;
};

struct fg_tags {
	struct fg_tag *items;
	size_t count;
	size_t capacity;
};

struct fg_class {
	uint32_t scenario; /* index */
	char *name;        /* "GET /items/:id" */
	char *group;       /* "" or "::outer::inner", as k6 */
	char *method;
	char *url;           /* the template text, for reading */
	struct fg_tags tags; /* scenario and step tags merged */
	char *engine;        /* "curl", "native", "null" */
	char *clock;         /* "user" or "kernel" */
};

struct fg_check {
	uint32_t scenario;
	uint32_t class_index; /* of the step that carries it */
	char *name;
	char *group;
};

struct fg_scenario_def {
	char *name;
	char *executor;       /* "constant-vus" … */
	char *description;    /* "200/s for 1m, 50–200 VUs" */
	uint64_t start_ns;    /* startTime */
	uint64_t duration_ns; /* regular duration without grace */
	uint64_t warmup_ns;
	double target_rate_per_s; /* highest rate for arrival executors, else 0 */
	struct fg_tags tags;
};

/* A custom metric in one place of a scenario; one slice counter each. The same name in several
 * places has one type. */
struct fg_custom {
	uint32_t scenario;
	char *name;
	enum fg_metric_type type;
	bool is_time; /* values are ms */
	char *group;
	struct fg_tags tags; /* of the scenario */
};

/* A group of steps whose duration is measured (group_duration). */
struct fg_group {
	uint32_t scenario;
	char *path; /* "::outer::inner" */
	struct fg_tags tags;
};

struct fg_registry {
	struct fg_scenario_def *scenarios;
	size_t scenario_count, scenario_capacity;
	struct fg_class *classes;
	size_t class_count, class_capacity;
	struct fg_check *checks;
	size_t check_count, check_capacity;
	struct fg_custom *customs;
	size_t custom_count, custom_capacity;
	struct fg_group *groups;
	size_t group_count, group_capacity;
};

void fg_registry_init(struct fg_registry *registry);
void fg_registry_done(struct fg_registry *registry);
/** Each copies what it is given and returns the index (≥ 0) or a negative error code. A class with
 *  the same scenario, name and group as an earlier one returns the earlier index; a scenario's name
 *  must be new. NULL strings other than names become "". */
int fg_registry_add_scenario(struct fg_registry *registry, const struct fg_scenario_def *def,
			     struct fg_err *err) FG_MUST_USE;
int fg_registry_add_class(struct fg_registry *registry, const struct fg_class *def,
			  struct fg_err *err) FG_MUST_USE;
int fg_registry_add_check(struct fg_registry *registry, const struct fg_check *def,
			  struct fg_err *err) FG_MUST_USE;
/** Scenario, name and group equal to an earlier one: its index; INVALID when the name exists with
 *  another type, or is a built-in's, or is no metric name (k6: a letter or _, then letters, digits,
 *  _; at most 128). Empty tags become the scenario's. */
int fg_registry_add_custom(struct fg_registry *registry, const struct fg_custom *def,
			   struct fg_err *err) FG_MUST_USE;
/** Scenario and path equal to an earlier one: its index. Empty tags become the scenario's. */
int fg_registry_add_group(struct fg_registry *registry, const struct fg_group *def,
			  struct fg_err *err) FG_MUST_USE;
/** The custom metric of that name, any scenario: its index, or -1. */
int fg_registry_find_custom(const struct fg_registry *registry, const char *name);
/** What people and profiles call a class: its group and name, and its scenario where the same name
 *  stands in several. Unique in the registry. */
void fg_registry_class_text(const struct fg_registry *registry, size_t index, struct fg_buf *out);
/** True if both describe the same things in the same order, so that slices of the one fit the
 *  other. */
bool fg_registry_equal(const struct fg_registry *a, const struct fg_registry *b);
int fg_registry_copy(struct fg_registry *dst, const struct fg_registry *src,
		     struct fg_err *err) FG_MUST_USE;

int fg_tags_add(struct fg_tags *tags, const char *key, const char *value,
		struct fg_err *err) FG_MUST_USE;                      /* replaces an equal key */
const char *fg_tags_get(const struct fg_tags *tags, const char *key); /* or NULL */
/** Overwrites *dst, which must be empty. */
int fg_tags_copy(struct fg_tags *dst, const struct fg_tags *src, struct fg_err *err) FG_MUST_USE;
void fg_tags_done(struct fg_tags *tags);

#endif
