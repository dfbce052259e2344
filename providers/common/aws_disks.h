/*
 * extra_config.BlockDeviceMappings: a list of {DeviceName, VolumeSize, VolumeType, Iops, Throughput,
 * VolumeInitializationRate}, as parameters of RunInstances. Every volume ends with its machine, those too that the
 * image would keep.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_DISKS_H
#define MUSTER_PROVIDERS_COMMON_AWS_DISKS_H

#include "providers/common/aws_image.h"

/* ERR_INVALID naming entry and member ("extra_config.BlockDeviceMappings.0.Iops: ..."). extra may be NULL. */
int aws_disks_check(const json_t *extra, struct err *e) MUST_USE;

/* Append them to a form, and those that the image would keep; fails as the check does. */
int aws_disks_add(struct buf *form, const json_t *extra, const struct aws_image *image, struct err *e) MUST_USE;

#endif
