#include "providers/common/gpu_model.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

/* What is known of a model besides its name. Sources: "GPU machine types" of Compute Engine for gcp; the offers of
 * Vast.ai as its API lists them (gpu_name); read 2026-11-25. */
static const struct model {
    const char *name;
    int memory_gb;       /* of the plain kind: said aloud, it is no part of the generic name; 0 = several */
    const char *gcp;     /* acceleratorType, or NULL */
    const char *vast[3]; /* gpu_name of offers */
    bool foreign;        /* not NVIDIA's */
} models[] = {
    {"k80", 12, "nvidia-tesla-k80", {NULL}, false},
    {"m60", 8, NULL, {NULL}, false},
    {"p4", 8, "nvidia-tesla-p4", {"Tesla P4"}, false},
    {"p40", 24, NULL, {"Tesla P40"}, false},
    {"p100", 16, "nvidia-tesla-p100", {"Tesla P100"}, false},
    {"v100", 16, "nvidia-tesla-v100", {"Tesla V100"}, false},
    {"v100-32gb", 0, NULL, {"Tesla V100"}, false},
    {"t4", 16, "nvidia-tesla-t4", {"Tesla T4"}, false},
    {"t4g", 16, NULL, {NULL}, false},
    {"a10", 24, NULL, {"A10"}, false},
    {"a10g", 24, NULL, {NULL}, false},
    {"a40", 48, NULL, {"A40"}, false},
    {"a100", 40, "nvidia-tesla-a100", {"A100 PCIE", "A100 SXM4"}, false},
    {"a100-80gb", 0, "nvidia-a100-80gb", {"A100 PCIE", "A100 SXM4"}, false},
    {"l4", 24, "nvidia-l4", {"L4"}, false},
    {"l40", 48, NULL, {"L40"}, false},
    {"l40s", 48, NULL, {"L40S"}, false},
    {"h100", 80, "nvidia-h100-80gb", {"H100 PCIE", "H100 SXM", "H100 NVL"}, false},
    {"h100-94gb", 0, NULL, {"H100 NVL"}, false},
    {"h200", 141, "nvidia-h200-141gb", {"H200", "H200 NVL"}, false},
    {"b200", 180, "nvidia-b200", {"B200"}, false},
    {"b300", 268, NULL, {NULL}, false},
    {"gb200", 186, "nvidia-gb200", {NULL}, false},
    {"rtx-pro-4500", 32, NULL, {NULL}, false},
    {"rtx-pro-6000", 96, "nvidia-rtx-pro-6000", {"RTX PRO 6000 WS", "RTX PRO 6000 S"}, false},
    {"rtx-4000-ada", 20, NULL, {"RTX 4000Ada"}, false},
    {"rtx-6000-ada", 48, NULL, {"RTX 6000Ada"}, false},
    {"rtx-a2000", 0, NULL, {"RTX A2000"}, false},
    {"rtx-a4000", 16, NULL, {"RTX A4000"}, false},
    {"rtx-a5000", 24, NULL, {"RTX A5000"}, false},
    {"rtx-a6000", 48, NULL, {"RTX A6000"}, false},
    {"rtx-3060", 12, NULL, {"RTX 3060"}, false},
    {"rtx-3060-ti", 8, NULL, {"RTX 3060 Ti"}, false},
    {"rtx-3070", 8, NULL, {"RTX 3070"}, false},
    {"rtx-3080", 10, NULL, {"RTX 3080"}, false},
    {"rtx-3080-ti", 12, NULL, {"RTX 3080 Ti"}, false},
    {"rtx-3090", 24, NULL, {"RTX 3090"}, false},
    {"rtx-3090-ti", 24, NULL, {"RTX 3090 Ti"}, false},
    {"rtx-4060-ti", 0, NULL, {"RTX 4060 Ti"}, false},
    {"rtx-4070", 12, NULL, {"RTX 4070"}, false},
    {"rtx-4070-ti", 12, NULL, {"RTX 4070 Ti"}, false},
    {"rtx-4080", 16, NULL, {"RTX 4080"}, false},
    {"rtx-4090", 24, NULL, {"RTX 4090"}, false},
    {"rtx-5070", 12, NULL, {"RTX 5070"}, false},
    {"rtx-5070-ti", 16, NULL, {"RTX 5070 Ti"}, false},
    {"rtx-5080", 16, NULL, {"RTX 5080"}, false},
    {"rtx-5090", 32, NULL, {"RTX 5090"}, false},
    {"radeon-pro-v520", 8, NULL, {NULL}, true},
    {"radeon-pro-v710", 24, NULL, {NULL}, true},
    {"mi25", 16, NULL, {NULL}, true},
    {"mi300x", 192, NULL, {NULL}, true},
    {"mi325x", 256, NULL, {NULL}, true},
    {"mi355x", 288, NULL, {NULL}, true},
};

static const struct model *find_model(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        if (strlen(models[i].name) == len && strncmp(models[i].name, name, len) == 0)
            return &models[i];
    }
    return NULL;
}

/* --- the generic name -------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_word(const char *word, size_t len, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(words[i]) == len && strncmp(words[i], word, len) == 0)
            return true;
    }
    return false;
}

/* Words that do not tell one model from another. */
static bool is_noise(const char *word, size_t len)
{
    static const char *const noise[] = {"nvidia",  "amd",         "tesla",     "geforce", "instinct",  "gpu",
                                        "mega",    "sxm",         "sxm2",      "sxm3",    "sxm4",      "sxm5",
                                        "sxm6",    "pcie",        "hbm3",      "hbm3e",   "blackwell", "server",
                                        "edition", "workstation", "generation"};

    return is_word(word, len, noise, ARRAY_LEN(noise));
}

/* Where a word that was written together falls apart: behind rtx and pro, before ada, ti and super behind a digit. */
static size_t first_part(const char *word, size_t len)
{
    static const char *const heads[] = {"rtx", "pro"}, *const tails[] = {"ada", "ti", "super"};

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        if (len > 3 && strncmp(word, heads[i], 3) == 0 && (is_digit(word[3]) || word[3] == 'a' || word[3] == 'p'))
            return 3;
    }
    for (size_t at = 1; at < len; at++) {
        if (is_digit(word[at - 1]) && is_word(word + at, len - at, tails, ARRAY_LEN(tails)))
            return at;
    }
    return len;
}

struct name {
    char text[GPU_MODEL_MAX];
    size_t len;
    bool over;
};

static void add(struct name *out, const char *text, size_t len)
{
    size_t gap = out->len > 0 ? 1 : 0;

    if (out->len + gap + len >= sizeof(out->text)) {
        out->over = true;
        return;
    }
    if (gap > 0)
        out->text[out->len++] = '-';
    memcpy(out->text + out->len, text, len);
    out->len += len;
    out->text[out->len] = '\0';
}

/* "80g" or "80gb" to its number; 0: it is none. */
static int memory_of(const char *word, size_t len)
{
    int gb = 0;
    size_t at = 0;

    while (at < len && at < 4 && is_digit(word[at]))
        gb = gb * 10 + (word[at++] - '0');
    return at > 0 && (strncmp(word + at, "gb", len - at) == 0 || strncmp(word + at, "g", len - at) == 0) && at < len
               ? gb
               : 0;
}

/* The workstation and server editions of an RTX PRO, as Vast.ai writes them. */
static bool is_edition(const struct name *out, const char *word, size_t len)
{
    static const char *const editions[] = {"s", "ws"};

    return text_has_prefix(out->text, "rtx-pro-") && is_word(word, len, editions, ARRAY_LEN(editions));
}

/* One word of the text, lower case. */
static void add_word(struct name *out, int *memory_gb, const char *word, size_t len)
{
    while (len > 0) {
        size_t part = first_part(word, len);
        int gb = memory_of(word, part);

        if (gb > 0)
            *memory_gb = gb;
        else if (!is_noise(word, part) && !is_edition(out, word, part))
            add(out, word, part);
        word += part;
        len -= part;
    }
}

/* "a6000" is the RTX A6000; the NVL form of an H100 has 94 GB. */
static void settle(struct name *n, int *memory_gb)
{
    struct name whole = {.len = 0};

    if (n->len == 5 && n->text[0] == 'a' && strspn(n->text + 1, "0123456789") == 4) {
        add(&whole, "rtx", 3);
        add(&whole, n->text, n->len);
        *n = whole;
    }
    if (strcmp(n->text, "h100-nvl") == 0 || strcmp(n->text, "h100nvl") == 0) {
        n->text[n->len = 4] = '\0';
        *memory_gb = 94;
    }
    if (strcmp(n->text, "h200-nvl") == 0 || strcmp(n->text, "h200nvl") == 0)
        n->text[n->len = 4] = '\0';
}

static void add_memory(struct name *n, int memory_gb)
{
    const struct model *m = find_model(n->text, n->len);
    char word[16];

    if (memory_gb == 0 || (m != NULL && m->memory_gb == memory_gb))
        return;
    (void)snprintf(word, sizeof(word), "%dgb", memory_gb);
    add(n, word, strlen(word));
}

bool gpu_model_normal(const char *text, char out[GPU_MODEL_MAX])
{
    struct name n = {.len = 0};
    char word[GPU_MODEL_MAX];
    size_t len = 0;
    int memory_gb = 0;

    for (const char *p = text;; p++) {
        char c = text_lower(*p);

        if (is_digit(c) || is_letter(c)) {
            if (len == sizeof(word) - 1)
                n.over = true;
            else
                word[len++] = c;
            continue;
        }
        word[len] = '\0';
        /* "80 GB": the number waits for its unit */
        if (!(c == ' ' && len > 0 && strspn(word, "0123456789") == len && text_lower(p[1]) == 'g' &&
              text_lower(p[2]) == 'b')) {
            add_word(&n, &memory_gb, word, len);
            len = 0;
        }
        if (c == '\0')
            break;
    }
    settle(&n, &memory_gb);
    if (n.len > 0)
        add_memory(&n, memory_gb);
    (void)snprintf(out, GPU_MODEL_MAX, "%s", n.over ? "" : n.text);
    return out[0] != '\0';
}

static const struct model *model_of(const char *gpu)
{
    char name[GPU_MODEL_MAX];

    return gpu_model_normal(gpu, name) ? find_model(name, strlen(name)) : NULL;
}

/* --- questions --------------------------------------------------------------------------------------------------- */

bool gpu_model_fits(const char *asked, const char *have)
{
    char a[GPU_MODEL_MAX], h[GPU_MODEL_MAX];
    const struct model *plain;
    size_t len;
    int gb;

    if (!gpu_model_normal(asked, a) || !gpu_model_normal(have, h))
        return false;
    if (strcmp(a, h) == 0)
        return true;
    len = strlen(a);
    if (strncmp(a, h, len) != 0 || h[len] != '-')
        return false;
    gb = memory_of(h + len + 1, strlen(h + len + 1));
    plain = find_model(a, len);
    return plain != NULL && gb > plain->memory_gb;
}

bool gpu_model_is_foreign(const char *gpu)
{
    const struct model *m = model_of(gpu);

    return m != NULL && m->foreign;
}

void gpu_model_with_article(const char *gpu, char *out, size_t size)
{
    char name[GPU_MODEL_MAX];
    bool an;

    if (!gpu_model_normal(gpu, name)) {
        (void)snprintf(out, size, "a \"%.40s\"", gpu);
        return;
    }
    for (char *c = name; *c != '\0'; c++)
        *c = (char)(is_letter(*c) ? *c - 'a' + 'A' : *c);
    /* letters that are spoken with a vowel first; only Radeon is spoken as a word */
    an = strchr("AEFHILMNORSX8", name[0]) != NULL && !text_has_prefix(name, "RADEON");
    (void)snprintf(out, size, "%s %s", an ? "an" : "a", name);
}

const char *gpu_model_gcp(const char *gpu)
{
    const struct model *m = model_of(gpu);

    return m != NULL ? m->gcp : NULL;
}

const char *gpu_model_vast(const char *gpu, size_t i)
{
    const struct model *m = model_of(gpu);

    return m != NULL && i < ARRAY_LEN(m->vast) ? m->vast[i] : NULL;
}

int gpu_vast_type(const char *type, int *count, char name[GPU_MODEL_MAX], struct err *e)
{
    size_t digits = strspn(type, "0123456789"), len;
    int n = 0;

    for (size_t i = 0; i < digits && i < 4; i++)
        n = n * 10 + (type[i] - '0');
    if (digits == 0 || digits > 3 || type[0] == '0' || text_lower(type[digits]) != 'x')
        return err_set(e, ERR_INVALID, "instance_type \"%.60s\": Vast.ai's are {count}x{MODEL}, such as 1xRTX_4090",
                       type);
    type += digits + 1;
    len = strlen(type);
    if (len == 0 || len >= GPU_MODEL_MAX || strspn(type, "_") == len)
        return err_set(e, ERR_INVALID,
                       "instance_type: \"%.60s\" is no GPU's name; Vast.ai's types are such as 1xRTX_4090", type);
    for (size_t i = 0; i < len; i++)
        name[i] = (char)(type[i] == '_' ? ' ' : type[i]);
    name[len] = '\0';
    *count = n;
    return 0;
}
