/* The signature header. Input: a header, a new line, a body. Only the one true header may pass. */
#include "tests/fuzz/fuzz.h"

#include "server/base/mem.h"
#include "server/github/signature.h"

/* The body in pieces, as it arrives from a client. */
static bool in_pieces(const struct secret *const *secrets, size_t n, const char *header, const uint8_t *body,
                      size_t len)
{
    struct signature *s = signature_new(secrets, n);
    size_t piece = 1;
    bool matches;

    signature_begin(s);
    signature_add(s, "given up", 8);
    signature_begin(s);
    for (size_t at = 0; at < len; at += piece, piece = piece * 3 + 1) {
        if (piece > len - at)
            piece = len - at;
        signature_add(s, body + at, piece);
    }
    matches = signature_end(s, header);
    signature_free(s);
    return matches;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    size_t header_len = line != NULL ? (size_t)(line - data) : size;
    const uint8_t *body = line != NULL ? line + 1 : data + size;
    size_t len = (size_t)(data + size - body);
    AUTO_FREE char *header = mem_strndup((const char *)data, header_len);
    AUTO_SECRET struct secret *a = secret_new("It's a Secret to Everybody", 26);
    AUTO_SECRET struct secret *b = secret_new("the old one", 11);
    const struct secret *const both[] = {a, b};
    char made[72];

    for (size_t i = 0; i < 2; i++) {
        signature_make(both[i], body, len, made);
        NEED(signature_verify(both, 2, made, body, len));
        NEED(in_pieces(both, 2, made, body, len));
        NEED(!signature_verify(both + 1 - i, 1, made, body, len)); /* the other secret alone */
        if (signature_verify(both + i, 1, header, body, len))
            NEED(strcmp(header, made) == 0);
    }
    NEED(!signature_verify(both, 2, NULL, body, len));
    return 0;
}
