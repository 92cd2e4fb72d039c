/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/check.h"

/* What to set when nothing was found: the default, null, or an error. */
static int find_standard(const struct fg_capture *capture, const struct fg_expr_env *env,
			 const struct fg_err *why, struct fg_value *ret, struct fg_err *err)
{
	if (capture->has_default)
		return fg_template_value(&capture->standard, env, ret, err);
	if (capture->optional) {
		*ret = (struct fg_value){.kind = FG_VALUE_NULL};
		return 0;
	}
	return why->code ? fg_err_set(err, why->code, "%s", why->message)
			 : fg_err_set(err, FG_E_NOT_FOUND, "found nothing");
}

int fg_capture_take(const struct fg_capture *capture, const struct fg_answer *answer,
		    const struct fg_expr_env *env, struct fg_slot *slot, struct fg_err *err)
{
	const struct fg_look look = {
		.from = capture->from,
		.key = capture->key,
		.path = capture->path,
		.regex = capture->regex,
		.group = capture->group,
		.all = capture->all,
	};
	const struct fg_engine_response *response = answer->response;
	struct fg_value value;
	struct fg_err why;
	int rc;

	fg_err_clear(&why);
	if (response->error != FG_NET_OK)
		FG_IGNORE(fg_err_set(&why, FG_E_NETWORK, "the request failed: %s",
				     fg_net_error_name(response->error)));
	rc = fg_answer_find(answer, &look, &value, &why);
	if (rc <= 0)
		rc = find_standard(capture, env, &why, &value, err);
	return rc < 0 ? rc : fg_slot_set(slot, &value, err);
}
