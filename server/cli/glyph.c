#include "server/cli/glyph.h"

#include "server/base/attr.h"

#include <stdbool.h>
#include <stdint.h>

struct range {
    uint32_t first, last;
};

/* Unicode 15, https://www.unicode.org/Public/15.0.0/ucd/: combining marks and joiners (general categories Mn, Me and
 * part of Cf) of the scripts that are met; EastAsianWidth.txt, W and F. */
static const struct range zero[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},     {0x610, 0x61a},
                                    {0x64b, 0x65f},   {0x93c, 0x93c},   {0x94d, 0x94d},     {0xe31, 0xe31},
                                    {0xe34, 0xe3a},   {0xe47, 0xe4e},   {0x1ab0, 0x1aff},   {0x1dc0, 0x1dff},
                                    {0x200b, 0x200d}, {0x20d0, 0x20f0}, {0xfe00, 0xfe0f},   {0xfe20, 0xfe2f},
                                    {0x302a, 0x302d}, {0x3099, 0x309a}, {0xe0100, 0xe01ef}, {0x1f3fb, 0x1f3ff}};
static const struct range wide[] = {{0x1100, 0x115f},   {0x231a, 0x231b},   {0x23e9, 0x23ec},   {0x2614, 0x2615},
                                    {0x26a1, 0x26a1},   {0x2705, 0x2705},   {0x274c, 0x274c},   {0x2e80, 0x303e},
                                    {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},
                                    {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
                                    {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1b000, 0x1b2ff}, {0x1f300, 0x1f64f},
                                    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd}};
/* C0 and C1 controls, line and paragraph separators, marks and overrides of the writing direction, byte order mark. */
static const struct range hidden[] = {{0x0, 0x1f},      {0x7f, 0x9f},     {0x61c, 0x61c},
                                      {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
                                      {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};

static bool is_in(uint32_t c, const struct range *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (c >= list[i].first && c <= list[i].last)
            return true;
    }
    return false;
}

/* The code point at s and how many bytes it takes; 0 bytes when it is no UTF-8. */
static size_t decode(const unsigned char *s, size_t len, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : (s[0] & 0xf0) == 0xe0       ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;
    uint32_t c = n == 1 ? s[0] : n == 2 ? s[0] & 0x1fU : n == 3 ? s[0] & 0x0fU : s[0] & 0x07U;

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fU);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *out = c;
    return n;
}

struct glyph glyph_next(const char *s, size_t len)
{
    uint32_t c = 0;
    size_t n;

    if (*s >= ' ' && *s <= '~')
        return (struct glyph){1, 1, s, 1};
    n = decode((const unsigned char *)s, len, &c);
    if (n == 1 && c == '\t')
        return (struct glyph){1, 1, " ", 1};
    if (n == 0 || is_in(c, hidden, ARRAY_LEN(hidden)))
        return (struct glyph){n > 0 ? n : 1, 1, "?", 1};
    if (is_in(c, zero, ARRAY_LEN(zero)))
        return (struct glyph){n, 0, s, n};
    return (struct glyph){n, is_in(c, wide, ARRAY_LEN(wide)) ? 2 : 1, s, n};
}

size_t glyph_skip(const char *s, size_t len, size_t n)
{
    size_t at = 0;

    while (n > 0 && at < len) {
        at += glyph_next(s + at, len - at).len;
        n--;
    }
    return at;
}
