#include "server/base/id.h"

#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/text.h"

#include <string.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford: no I, L, O, U */

void id_ulid(char out[ID_ULID_LEN + 1])
{
    unsigned char random[10];
    uint64_t ms = (uint64_t)clock_now_ms();
    size_t n = 0;

    /* 48 bits are nine digits and three bits; 50 fit in the ten digits. */
    for (int shift = 45; shift >= 0; shift -= 5)
        out[n++] = alphabet[ms >> shift & 31];
    crypto_random(random, sizeof(random));
    for (size_t bit = 0; bit < 80; bit += 5) {
        unsigned two = (unsigned)random[bit / 8] << 8 | (bit / 8 + 1 < sizeof(random) ? random[bit / 8 + 1] : 0U);

        out[n++] = alphabet[two >> (11 - bit % 8) & 31];
    }
    out[n] = '\0';
}

void id_machine_name(char out[64])
{
    char ulid[ID_ULID_LEN + 1];
    size_t prefix = strlen(ID_MACHINE_PREFIX);

    id_ulid(ulid);
    memcpy(out, ID_MACHINE_PREFIX, prefix);
    for (size_t i = 0; i <= ID_ULID_LEN; i++)
        out[prefix + i] = text_lower(ulid[i]);
}

bool id_is_machine_name(const char *s)
{
    const char *ulid = s + strlen(ID_MACHINE_PREFIX);

    if (!text_has_prefix(s, ID_MACHINE_PREFIX) || strlen(ulid) != ID_ULID_LEN || *ulid > '7')
        return false;
    for (; *ulid != '\0'; ulid++) {
        bool lower = *ulid >= 'a' && *ulid <= 'z';

        if (strchr(alphabet, lower ? *ulid - ('a' - 'A') : *ulid) == NULL || (*ulid >= 'A' && *ulid <= 'Z'))
            return false;
    }
    return true;
}

int64_t id_machine_name_ms(const char *s)
{
    const char *ulid = s + strlen(ID_MACHINE_PREFIX);
    int64_t ms = 0;

    for (size_t i = 0; i < 10; i++) {
        const char c = ulid[i], *digit = strchr(alphabet, c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);

        ms = ms * 32 + (digit != NULL ? digit - alphabet : 0);
    }
    return ms;
}
