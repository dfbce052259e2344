/*
 * A cloud that behaves, for the contract suite: machines in memory, reached through the scripted server. What differs
 * between clouds (paths, forms, answers) is a struct fake_dialect; what a test wants to go wrong is a struct
 * fake_fault. Not a simulator: it knows just what the suite needs.
 */
#ifndef MUSTER_TESTS_FAKE_CLOUD_H
#define MUSTER_TESTS_FAKE_CLOUD_H

#include "providers/provider.h"
#include "tests/support/rawserver.h"

#include <pthread.h>

#define FAKE_MAX_MACHINES 128

struct fake_machine {
    char id[64], name[64], token[80], deployment[64], region[64];
    bool gone;
};

/* What to say instead of the truth. */
struct fake_fault {
    size_t skip;       /* after so many requests that are answered as usual */
    bool after_acting; /* the request is carried out, and its answer lost */
    int status;        /* 0 = no answer at all: the connection is closed */
    const char *headers, *body;
    enum raw_act act;              /* ENDLESS: without a length */
    const struct fake_fault *next; /* what goes wrong after this happened once; NULL = the same again */
    bool echo;                     /* put the whole request into the refusal's sentence, as a careless cloud might */
};

struct fake_cloud {
    pthread_mutex_t lock;
    const struct fake_dialect *dialect;
    struct fake_machine machines[FAKE_MAX_MACHINES];
    size_t n, made; /* made: creations, repetitions not counted */
    size_t page_size, requests;
    struct fake_fault fault;
    bool faulty;
    bool lies; /* answers every look-up by filter with all there is */
};

struct fake_refusal {
    const char *fixture; /* under tests/fixtures/NAME/ */
    int status;
    enum err_kind kind;
};

struct fake_dialect {
    const char *name;                    /* of the cloud */
    const char *const (*settings)[2];    /* of the account, ended by NULL; "URL" stands for the server's */
    const char *const *secrets;          /* among the settings; ended by NULL */
    const struct fake_refusal *refusals; /* of a launch; ended by fixture NULL */
    const char *const *nonsense;         /* bodies that come with status 200 and mean nothing; ended by NULL */
    const char *region, *type, *image;   /* of a sound spec */
    const char *unknown_id;              /* well written, of no machine */
    size_t tag_key_max, tag_value_max;   /* 0 = no tags to test */
    /* Answer a request truthfully (lock held). */
    void (*act)(struct fake_cloud *c, const struct raw_request *r, struct buf *answer);
    /* A refusal whose sentence is text. */
    void (*refuse)(const char *text, struct buf *answer);
};

void fake_init(struct fake_cloud *c, const struct fake_dialect *d);
int fake_handle(void *cloud, const struct raw_request *r, struct buf *answer); /* a raw_handler_fn */

/* Set what goes wrong from now on; NULL = nothing any more. */
void fake_set_fault(struct fake_cloud *c, const struct fake_fault *f);
size_t fake_alive(struct fake_cloud *c);
size_t fake_requests(struct fake_cloud *c);
struct fake_machine *fake_add(struct fake_cloud *c, const char *name, const char *token, const char *deployment);
struct fake_machine *fake_by_token(struct fake_cloud *c, const char *token);

/* A file of tests/fixtures; ends the program when it cannot be read. The caller frees. */
char *fake_fixture(const char *cloud, const char *name);

/* A form's parameter, decoded, into out; false when it is absent. */
bool fake_form(const char *body, const char *name, char *out, size_t size);

extern const struct fake_dialect fake_aws;

#endif
