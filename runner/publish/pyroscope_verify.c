/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading back: the only way to notice what a server accepted with 200 and did not keep. Totals are
 * compared, not names: the server may rewrite Go function names.
 */
#include "runner/publish/pyroscope_internal.h"

#include "gate/base/clock.h"
#include "gate/base/num.h"

#include <runner/publish/pyroscope.pb-c.h>

#include <poll.h>
#include <string.h>

enum { PAUSE_FIRST_MS = 100, PAUSE_LAST_MS = 2000, MERGED_MAX = 256 << 20 };

#define DEFAULT_PATIENCE_NS (30 * FG_NS_PER_S)

static int pack_query(const char *type, const char *selector, int64_t start_ms, int64_t end_ms,
		      struct fg_buf *out, struct fg_err *err)
{
	FgPyroscope__SelectMergeProfileRequest request;
	char type_text[128], selector_text[8192];

	if (strlen(type) >= sizeof(type_text) || strlen(selector) >= sizeof(selector_text))
		return fg_err_set(err, FG_E_LIMIT, "the query is too long");
	memcpy(type_text, type, strlen(type) + 1);
	memcpy(selector_text, selector, strlen(selector) + 1);
	fg_pyroscope__select_merge_profile_request__init(&request);
	request.profile_typeid = type_text;
	request.label_selector = selector_text;
	request.start = start_ms;
	request.end = end_ms;
	size_t len = fg_pyroscope__select_merge_profile_request__get_packed_size(&request);
	char *room = fg_buf_reserve(out, len);

	if (room)
		fg_buf_commit(out, fg_pyroscope__select_merge_profile_request__pack(
					   &request, (uint8_t *)room));
	return fg_buf_check(out, err);
}

/* "No data" is a profile without samples, be its body 0, 6 or 50 bytes long. */
static int sum_merged(const struct fg_http_response *response, uint64_t *ret, struct fg_err *err)
{
	FgPyroscope__MergedProfile *merged = fg_pyroscope__merged_profile__unpack(
		NULL, response->body.len, (const uint8_t *)response->body.data);
	uint64_t sum = 0;
	bool is_bad = !merged;

	for (size_t i = 0; !is_bad && i < merged->n_sample; i++) {
		const FgPyroscope__MergedSample *sample = merged->sample[i];

		is_bad = sample->n_value != 1 || sample->value[0] < 0 ||
			 __builtin_add_overflow(sum, (uint64_t)sample->value[0], &sum);
	}
	if (merged)
		fg_pyroscope__merged_profile__free_unpacked(merged, NULL);
	if (is_bad)
		return fg_err_set(err, FG_E_INVALID,
				  "Pyroscope's answer to SelectMergeProfile is no profile");
	*ret = sum;
	return 0;
}

static int read_total(const struct fg_pyroscope_options *options, const char *type,
		      const char *selector, const int64_t window_ms[2], uint64_t *ret,
		      struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf body = {.data = NULL};
	struct fg_http_response response;

	fg_buf_init(&body, 64 << 10);
	int rc = pack_query(type, selector, window_ms[0], window_ms[1], &body, err);

	if (rc == 0)
		rc = fg_pyroscope_post(options, "querier.v1.QuerierService/SelectMergeProfile",
				       &body, MERGED_MAX, &response, err);
	if (rc)
		return rc;
	if (response.status == 200)
		rc = sum_merged(&response, ret, err);
	else
		rc = fg_pyroscope_refused(&response, err);
	fg_http_response_done(&response);
	return rc;
}

static int read_both(const struct fg_pyroscope_options *options,
		     const struct fg_pyroscope_type *type, const char *selector,
		     const int64_t window_ms[2], struct fg_pyroscope_report *report,
		     struct fg_err *err)
{
	int rc = 0;

	report->samples_read = report->samples_sent;
	if (type->counts)
		rc = read_total(options, type->counts, selector, window_ms, &report->samples_read,
				err);

	if (rc)
		return rc;
	return read_total(options, type->values, selector, window_ms, &report->cpu_ns_read, err);
}

static int missing(const struct fg_pyroscope_type *type, const struct fg_pyroscope_report *report,
		   uint64_t waited_ns, struct fg_err *err)
{
	char waited[FG_NUM_TEXT_MAX];

	return fg_err_set(err, FG_E_REFUSED,
			  "Pyroscope accepted the profile but gives less back: %llu of %llu "
			  "samples, %llu of %llu %s, %s after the upload (another "
			  "tenant, sampling rules or relabelling on the server?)",
			  (unsigned long long)report->samples_read,
			  (unsigned long long)report->samples_sent,
			  (unsigned long long)report->cpu_ns_read,
			  (unsigned long long)report->cpu_ns_sent, type->quantity,
			  fg_num_format_duration(waited_ns, waited));
}

int fg_pyroscope_verify(const struct fg_pyroscope_options *options,
			const struct fg_pyroscope_type *type, const char *selector,
			uint64_t first_unix_ns, uint64_t last_unix_ns,
			struct fg_pyroscope_report *report, struct fg_err *err)
{
	/* Whole milliseconds are compared with nanosecond stamps: the end must lie behind the last.
	 */
	const int64_t window_ms[] = {(int64_t)(first_unix_ns / FG_NS_PER_MS),
				     (int64_t)(last_unix_ns / FG_NS_PER_MS) + 1};
	uint64_t patience_ns =
		options->verify_timeout_ns ? options->verify_timeout_ns : DEFAULT_PATIENCE_NS;
	uint64_t deadline_ns = fg_clock_monotonic_ns() + patience_ns;

	for (int pause_ms = PAUSE_FIRST_MS;; pause_ms = FG_MIN(pause_ms * 2, PAUSE_LAST_MS)) {
		int rc = read_both(options, type, selector, window_ms, report, err);
		bool is_late = fg_clock_monotonic_ns() >= deadline_ns;

		/* More than sent: this run was published before, or a repeated upload counts twice
		 * until the server has compacted it. */
		if (rc == 0 && report->samples_read >= report->samples_sent &&
		    report->cpu_ns_read >= report->cpu_ns_sent) {
			report->verified = true;
			return 0;
		}
		if (rc && (rc != -FG_E_NETWORK || is_late))
			return fg_err_wrap(err, "reading the profile back");
		if (is_late)
			return missing(type, report, patience_ns, err);
		(void)poll(NULL, 0, pause_ms);
	}
}
