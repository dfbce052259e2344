#include "providers/common/mask.h"

#include <string.h>

void mask_runs(char *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=%_-";

    while (*text != '\0') {
        size_t n = strspn(text, alphabet);

        if (n >= 64) {
            memcpy(text, "***", 3);
            memmove(text + 3, text + n, strlen(text + n) + 1);
            n = 3;
        }
        text += n;
        text += strcspn(text, alphabet);
    }
}
