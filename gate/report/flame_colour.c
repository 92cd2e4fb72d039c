/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Colours of flame graphs: the kind of code gives the hue, module and name a shade of it, so that
 * neighbours differ and a function looks the same in every picture. All are light enough for dark
 * text, on a white page as on a black one.
 */
#include "gate/report/flame_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

/* Hue in degrees, saturation and lightness in percent, and how far module and name move them. */
static const struct {
	int hue, saturation, lightness, hue_range, lightness_range;
} palette[FG_FLAME_KIND_COUNT] = {
	[FG_FLAME_ALL] = {210, 12, 82, 0, 0},     [FG_FLAME_NATIVE] = {26, 88, 66, 28, 8},
	[FG_FLAME_INLINED] = {48, 80, 76, 12, 6}, [FG_FLAME_KERNEL] = {352, 70, 72, 12, 6},
	[FG_FLAME_JIT] = {120, 48, 66, 30, 8},    [FG_FLAME_SCRIPT] = {200, 70, 72, 26, 8},
	[FG_FLAME_UNNAMED] = {40, 8, 74, 0, 5},   [FG_FLAME_MISSING] = {240, 4, 64, 0, 0},
};

static double channel(double hue, double saturation, double lightness, double n)
{
	double k = fmod(n + hue / 30, 12);
	double a = saturation * fmin(lightness, 1 - lightness);

	return lightness - a * fmax(-1, fmin(fmin(k - 3, 9 - k), 1));
}

static void format(double hue, double saturation, double lightness, char ret[8])
{
	double red = channel(hue, saturation, lightness, 0);
	double green = channel(hue, saturation, lightness, 8);
	double blue = channel(hue, saturation, lightness, 4);

	(void)snprintf(ret, 8, "#%02x%02x%02x", (unsigned)lround(255 * red) & 0xff,
		       (unsigned)lround(255 * green) & 0xff, (unsigned)lround(255 * blue) & 0xff);
}

/* 0 up to `range`, by a text. */
static int shade(const char *text, int range)
{
	return range ? (int)(XXH64(text, strlen(text), 0) % (uint64_t)(range + 1)) : 0;
}

void fg_flame_colour(enum fg_flame_kind kind, const char *module, const char *name, char ret[8])
{
	int hue = palette[kind].hue + shade(module, palette[kind].hue_range);
	int lightness = palette[kind].lightness + shade(name, palette[kind].lightness_range);

	format(hue % 360, palette[kind].saturation / 100.0, lightness / 100.0, ret);
}

void fg_flame_difference_colour(double difference, char ret[8])
{
	/* The root makes small differences visible beside one big one. */
	double strength = sqrt(fmin(fabs(difference), 1));

	format(difference > 0 ? 4 : 214, 0.85 * fmin(1, 4 * strength), 0.93 - 0.33 * strength, ret);
}
