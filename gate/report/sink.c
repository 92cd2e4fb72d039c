/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/report/sink.h"

int fg_sink_finish(struct fg_sink *sink, struct fg_err *err)
{
	int rc = fg_buf_check(&sink->buf, err);

	if (rc == 0 && sink->buf.len > 0)
		rc = sink->write(sink->context, sink->buf.data, sink->buf.len, err);
	fg_buf_clear(&sink->buf);
	return rc;
}

int fg_sink_flush(struct fg_sink *sink, struct fg_err *err)
{
	return sink->buf.len < FG_SINK_PIECE && !sink->buf.failed ? 0 : fg_sink_finish(sink, err);
}
