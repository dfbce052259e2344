/*
 * Which image of EC2 a `machine_image` means:
 *
 *     ami-0abc...                 itself
 *     ubuntu2204, debian12, ...   the newest image of its publisher; -arm64 and -gpu variants (table in aws_image.c)
 *     OWNER/PATTERN               the newest image of an account number, self or amazon whose name fits (* and ?)
 *     ssm:/aws/service/...        the image a public parameter of AWS names
 *
 * What the cloud was asked for is remembered for an hour by region and architecture. An image may say that a volume
 * made from it outlives its machine; which ones do is asked for too, so that a launch can say otherwise.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_IMAGE_H
#define MUSTER_PROVIDERS_COMMON_AWS_IMAGE_H

#include "providers/common/aws_client.h"

#define AWS_IMAGE_ID_MAX 32
#define AWS_DEVICES_MAX 26

/* https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html */
struct aws_image {
    char id[AWS_IMAGE_ID_MAX];
    char kept[AWS_DEVICES_MAX][32]; /* names of devices whose volumes would outlive the machine */
    size_t n_kept;
    bool unread; /* nobody could tell which: asked again soon */
};

/* Is it written like an instance type ("g4dn.xlarge")? NULL is not. ERR_INVALID with the remedy. */
int aws_type_check(const char *type, struct err *e) MUST_USE;

/* "x86_64" or "arm64" of an instance type ("g4dn.xlarge"). */
const char *aws_type_arch(const char *instance_type);

/* Offline: is it one of these forms, and is there such an image for the architecture? ERR_INVALID with the remedy. */
int aws_image_check(const char *image, const char *arch, struct err *e) MUST_USE;

/* A sound image as OWNER/PATTERN, "" when it is written in another way that only the cloud can turn into one. */
void aws_image_owned(const char *image, const char *arch, char out[300]);

struct cache *aws_image_cache_new(void);

/* Whoever may not ask for images (ec2:DescribeImages) launches an ami-... all the same: nothing is known to be kept. */
int aws_image_resolve(const struct aws_client *c, struct cache *images, const char *region, const char *image,
                      const char *arch, struct aws_image *out, struct err *e) MUST_USE;

#endif
