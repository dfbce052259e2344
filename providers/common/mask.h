/* What an error text must not show, however it came into a cloud's sentence. */
#ifndef MUSTER_PROVIDERS_COMMON_MASK_H
#define MUSTER_PROVIDERS_COMMON_MASK_H

/* Replace runs of 64 or more characters of base64 or percent-encoding by "***": tokens, user-data, key material. */
void mask_runs(char *text);

#endif
