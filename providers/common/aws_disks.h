/*
 * extra_config.BlockDeviceMappings: a list of {DeviceName, VolumeSize, VolumeType, Iops, Throughput,
 * VolumeInitializationRate}, as parameters of RunInstances. Every volume ends with its machine.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_DISKS_H
#define MUSTER_PROVIDERS_COMMON_AWS_DISKS_H

#include "providers/common/aws_query.h"

/* ERR_INVALID naming entry and member ("extra_config.BlockDeviceMappings.0.Iops: ..."). extra may be NULL. */
int aws_disks_check(const json_t *extra, struct err *e) MUST_USE;

/* Append them to a form; fails as the check does. */
int aws_disks_add(struct buf *form, const json_t *extra, struct err *e) MUST_USE;

#endif
