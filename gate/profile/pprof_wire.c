/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/pprof_wire.h"

#include "gate/profile/pprof_internal.h"

static int malformed(const struct fg_wire *wire, struct fg_err *err, const char *what)
{
	return fg_err_set(err, FG_E_INVALID, "not a pprof profile: %s at byte %zu", what, wire->at);
}

static int varint(struct fg_wire *wire, uint64_t *ret, struct fg_err *err)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (wire->at == wire->len)
			return malformed(wire, err, "cut off");
		uint8_t byte = wire->bytes[wire->at++];

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return 0;
		}
	}
	return malformed(wire, err, "number too long");
}

static int fixed(struct fg_wire *wire, size_t len, uint64_t *ret, struct fg_err *err)
{
	if (wire->len - wire->at < len)
		return malformed(wire, err, "cut off");
	*ret = 0;
	for (size_t i = 0; i < len; i++)
		*ret |= (uint64_t)wire->bytes[wire->at + i] << (8 * i);
	wire->at += len;
	return 0;
}

static int delimited(struct fg_wire *wire, struct fg_pprof_wire_field *field, struct fg_err *err)
{
	uint64_t len = 0;
	int rc = varint(wire, &len, err);

	if (rc)
		return rc;
	if (len > wire->len - wire->at)
		return malformed(wire, err, "cut off");
	field->bytes = wire->bytes + wire->at;
	field->len = (size_t)len;
	wire->at += (size_t)len;
	return 0;
}

int fg_pprof_wire_next(struct fg_wire *wire, struct fg_pprof_wire_field *ret, struct fg_err *err)
{
	struct fg_pprof_wire_field field = {0};
	uint64_t tag = 0;

	if (wire->at == wire->len)
		return 0;
	int rc = varint(wire, &tag, err);

	if (rc)
		return rc;
	field.number = tag >> 3;
	field.wire = (unsigned)(tag & 7);
	if (field.number == 0 || field.number >= 1u << 29)
		return malformed(wire, err, "impossible field number");
	switch (field.wire) {
	case FG_WIRE_VARINT:
		rc = varint(wire, &field.value, err);
		break;
	case FG_WIRE_64:
		rc = fixed(wire, 8, &field.value, err);
		break;
	case FG_WIRE_BYTES:
		rc = delimited(wire, &field, err);
		break;
	case FG_WIRE_32:
		rc = fixed(wire, 4, &field.value, err);
		break;
	default:
		rc = malformed(wire, err, "unknown wire type");
		break;
	}
	if (rc)
		return rc;
	*ret = field;
	return 1;
}
