/* For httpc.c: connections to addresses of the public Internet only. See public_only in httpc.h. */
#ifndef MUSTER_BASE_HTTPC_PUBLIC_H
#define MUSTER_BASE_HTTPC_PUBLIC_H

#include <curl/curl.h>
#include <stdbool.h>

/* *not_public, which lives as long as the transfer, becomes true when an address was refused. */
CURLcode httpc_set_public_only(CURL *easy, bool *not_public);

#endif
