/*
 * What a machine of Vast.ai shall be: .cirun.yml's words in those of its search and its rental, and back from offers.
 * Source: https://docs.vast.ai/api-reference (search offers, create instance). Pure functions but vast_saved_key.
 */
#ifndef MUSTER_PROVIDERS_COMMON_VAST_SPEC_H
#define MUSTER_PROVIDERS_COMMON_VAST_SPEC_H

#include "providers/common/gpu_model.h"
#include "server/base/conf.h"
#include "server/base/json.h"

#define VAST_NAMES 4

struct vast_asked { /* borrowed; NULL and 0 = not said */
    const char *type, *image, *region, *os;
    const json_t *extra;
    int gpus, gpu_memory_gb;
    bool spot;
};

struct vast_spec {
    int gpus;                              /* exactly so many */
    char names[VAST_NAMES][GPU_MODEL_MAX]; /* any of these, as offers write them */
    size_t n_names;
    int gpu_memory_mb, ram_mb; /* at least; 0 = any */
    int disk_gb;
    char country[3]; /* "US"; "" = anywhere */
    char image[256];
    bool vm, spot;
};

/* ERR_INVALID with the remedy. */
int vast_spec_read(const struct vast_asked *a, struct vast_spec *out, struct err *e) MUST_USE;

/* "1xRTX_4090" when only offers of one name will do, else "" (a generic name stands for several). */
void vast_type_of(const struct vast_spec *s, char out[GPU_MODEL_MAX + 8]);

/* The search for offers, cheapest first, that stay for lifetime_s (0 = however long). The caller owns *out. */
int vast_search(const struct vast_spec *s, int64_t lifetime_s, json_t **out, struct err *e) MUST_USE;

/* The part of a rental that runs our user-data (NULL = to be shown): {"runtype", "args"} or {"vm", "runtype",
 * "onstart"}. api: where a container asks for its own end. The caller owns *out. */
int vast_start(const struct vast_spec *s, const char *api, const struct secret *user_data, json_t **out,
               struct err *e) MUST_USE;

/* What to bid for an offer, as JSON: a tenth more than the least, so that the next bidder does not end us at once.
 * ERR_RETRY when it names no least. */
int vast_bid(const json_t *offer, json_t **out, struct err *e) MUST_USE;

/* What an offer costs an hour, of a bid what we would bid; NULL = there is no offer, and *usd is below 0. */
int vast_offer_price(const json_t *offer, bool spot, double *usd, struct err *e) MUST_USE;

/* Is it dearer than most USD an hour (0 = any price will do)? Then ERR_CAPACITY is in *e. */
bool vast_offer_is_above(const json_t *offer, bool spot, double most, struct err *e);

/* The country in "California, US" or "US"; "" when there is none. out holds 3 bytes or more. */
void vast_country(const char *place, char *out);

/* The API key that the vastai command saved: $XDG_CONFIG_HOME/vastai/vast_api_key or ~/.config/..., ~/.vast_api_key.
 * None leaves *out alone. Reads files. */
int vast_saved_key(conf_getenv_fn *getenv_fn, void *arg, struct secret **out, struct err *e) MUST_USE;

#endif
