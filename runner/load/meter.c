/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/meter.h"

static void set_second(struct fg_meter *meter, uint64_t second)
{
	meter->slice->second = (uint32_t)second;
	meter->second_end_ns = meter->start_ns + (second + 1) * FG_NS_PER_S;
}

void fg_meter_start(struct fg_meter *meter, uint64_t start_ns)
{
	meter->start_ns = start_ns;
	meter->last_end_ns = start_ns;
	set_second(meter, 0);
}

void fg_meter_turn(struct fg_meter *meter, uint64_t now_ns)
{
	struct fg_slice *next;

	if (now_ns < meter->second_end_ns)
		return;
	next = meter->swap(meter->context, meter->slice);
	if (next) {
		meter->slice = next;
		set_second(meter, (now_ns - meter->start_ns) / FG_NS_PER_S);
	} else { /* try again at the next second's end */
		meter->second_end_ns += FG_NS_PER_S;
	}
}

void fg_meter_request(struct fg_meter *meter, const struct fg_request_record *record,
		      uint64_t end_ns)
{
	fg_meter_turn(meter, end_ns);
	meter->last_end_ns = FG_MAX(meter->last_end_ns, end_ns);
	if (fg_slice_request(meter->slice, record))
		meter->lost++;
}

void fg_meter_unsent(struct fg_meter *meter, uint32_t class_index, uint64_t waited_ns,
		     uint64_t now_ns)
{
	static const enum fg_trend trends[] = {FG_TREND_RESPONSE_TIME, FG_TREND_SERVICE_TIME,
					       FG_TREND_BLOCKED, FG_TREND_DURATION};
	struct fg_class_slice *half;

	fg_meter_turn(meter, now_ns);
	half = fg_slice_class(meter->slice, class_index, false);
	for (size_t i = 0; i < FG_ARRAY_LEN(trends); i++) {
		if (fg_hist_record_lower_bound(&half->trends[trends[i]], waited_ns))
			meter->lost++;
	}
}

struct fg_scenario_slice *fg_meter_scenario(struct fg_meter *meter, uint32_t scenario,
					    uint64_t now_ns)
{
	fg_meter_turn(meter, now_ns);
	return &meter->slice->scenarios[scenario];
}

void fg_meter_time(struct fg_meter *meter, struct fg_hist *hist, uint64_t value_ns)
{
	if (fg_hist_record(hist, value_ns))
		meter->lost++;
}

void fg_meter_check(struct fg_meter *meter, uint32_t check, bool passed)
{
	struct fg_check_slice *counts = &meter->slice->checks[check];

	if (passed)
		counts->passes++;
	else
		counts->fails++;
}

void fg_meter_group(struct fg_meter *meter, uint32_t group, uint64_t duration_ns, uint64_t now_ns)
{
	fg_meter_turn(meter, now_ns);
	fg_meter_time(meter, &meter->slice->groups[group], duration_ns);
}

int fg_meter_custom(struct fg_meter *meter, uint32_t custom, double value, uint64_t now_ns,
		    struct fg_err *err)
{
	int rc;

	fg_meter_turn(meter, now_ns);
	rc = fg_slice_custom(meter->slice, custom, value);
	if (rc == -FG_E_INVALID)
		return fg_err_set(err, FG_E_INVALID, "its value is not a finite number");
	if (rc)
		meter->lost++;
	return 0;
}
