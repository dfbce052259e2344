/*
 * One call of an AWS service: the Query protocol (form in, XML out: EC2, STS) and JSON 1.1 (SSM), signed, with every
 * refusal mapped to an error kind by one table (aws_query.c, after PROVIDERS.md). No retries here.
 *
 * Error texts read "ec2 RunInstances: CODE: the vendor's sentence", cut and with secrets masked.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_QUERY_H
#define MUSTER_PROVIDERS_COMMON_AWS_QUERY_H

#include "providers/common/sign_aws.h"
#include "providers/common/xml.h"
#include "server/base/conf.h"
#include "server/base/json.h"

#define AWS_EC2_VERSION "2016-11-15"
#define AWS_STS_VERSION "2011-06-15"

/* Where one service of one region is called. Borrowed for the call. */
struct aws_service {
    struct httpc *http;
    const char *url; /* "https://ec2.eu-west-1.amazonaws.com" */
    const char *region, *name;
    int timeout_ms; /* 0 = the HTTP client's own */
};

/* $AWS_ENDPOINT_URL_<SERVICE>, $AWS_ENDPOINT_URL or the vendor's address, appended to out. ERR_INVALID: no URL. */
int aws_endpoint(conf_getenv_fn *getenv_fn, void *arg, const char *service, const char *region, struct buf *out,
                 struct err *e) MUST_USE;

/* Is it written like a region ("eu-west-1")? It becomes part of a host name. ERR_INVALID with the remedy. */
int aws_region_check(const char *region, struct err *e) MUST_USE;

/* Forms. Parameter names are ours, values are escaped. */
#define AWS_FORM_MAX ((size_t)256 * 1024)
void aws_form_begin(struct buf *f, const char *action, const char *version);
void aws_form_add(struct buf *f, const char *value, const char *name_fmt, ...) PRINTF(3, 4);
/* Append to `list` how a call with this form would look: {"method", "url", "form": {name: value}}. */
int aws_form_show(const char *url, const struct buf *form, json_t *list, struct err *e) MUST_USE;

/* What the service said when it refused. */
struct aws_fault {
    int status;    /* 0 = no answer */
    char code[80]; /* "" = none understood */
};

/*
 * Call an action. keys NULL = unsigned. hide: one more secret to mask in error texts, or NULL. *out is the document
 * whose root is <ActionResponse>. An answer that makes no sense (no XML, another root, truncated, over the ceiling) is
 * ERR_RETRY. *fault is filled on failure.
 */
int aws_query(const struct aws_service *s, const struct aws_keys *keys, const char *action, const struct buf *form,
              const struct secret *hide, struct xml_doc **out, struct aws_fault *fault, struct err *e) MUST_USE;

/* The JSON 1.1 protocol: target as "AmazonSSM.GetParameter". The caller owns *out. */
int aws_json_call(const struct aws_service *s, const struct aws_keys *keys, const char *target, const json_t *body,
                  json_t **out, struct aws_fault *fault, struct err *e) MUST_USE;

/* Would fresh credentials perhaps be accepted? */
bool aws_fault_is_stale_keys(const struct aws_fault *f);

#endif
