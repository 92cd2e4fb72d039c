/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which engine runs a scenario: native when it can send every request, else curl, or the one that
 * the user named.
 *
 * One engine per scenario, so that all of a scenario's classes are measured alike. Pure: starts no
 * engine.
 */
#ifndef FG_LOAD_SELECT_H
#define FG_LOAD_SELECT_H

#include "runner/load/engine.h"

/** USAGE unless `name` is NULL, "auto" or an engine's. */
int fg_engine_check_name(const char *name, struct fg_err *err) FG_MUST_USE;

/** The engine for these steps, flows included. A named one that cannot send a request of them is
 *  refused with the step's place and the reason (UNSUPPORTED). */
int fg_engine_select(const struct fg_scenario_file *file, const struct fg_steps *steps,
		     const char *name, const char *target_url, const struct fg_engine_ops **ret,
		     struct fg_err *err) FG_MUST_USE;
/** For every scenario (init and steps); ret_ops has room for file->scenario_count. */
int fg_engine_select_all(const struct fg_scenario_file *file, const char *name,
			 const char *target_url, const struct fg_engine_ops **ret_ops,
			 struct fg_err *err) FG_MUST_USE;
/** Writes each class's engine and clock, by its scenario. */
int fg_engine_note(const struct fg_engine_ops *const *ops, struct fg_registry *registry,
		   struct fg_err *err) FG_MUST_USE;

#endif
