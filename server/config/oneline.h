/*
 * The one-line form of a label, for which no file is needed:
 *
 *     cirun-{cloud}-{instance type, dots as dashes}-{image alias}--{suffix}
 *     cirun-aws-g4dn-xlarge-ubuntu2204-gpu--${{ github.run_id }}
 *
 * Clouds in every spelling of .cirun.yml. The dots come back as each cloud sets them: g4dn-xlarge is g4dn.xlarge,
 * m7i-metal-24xl m7i.metal-24xl, VM-Standard-E4-Flex VM.Standard.E4.Flex; sizes of the other clouds have none and stay
 * as they are (OpenStack's flavors are named as their owner likes: of m1-small-x the candidates are m1-small-x,
 * m1.small.x, m1.small-x and m1-small.x, in this order). Image aliases stand for the newest image in the cloud's own
 * catalogue, by the type's architecture. A type that the GPU catalogue knows to have a GPU of NVIDIA asks for it, so
 * that it is proven before a job gets it.
 *
 * Pure. Labels come from strangers.
 */
#ifndef MUSTER_CONFIG_ONELINE_H
#define MUSTER_CONFIG_ONELINE_H

#include "server/config/cirun_yml.h"

enum oneline_verdict {
    ONELINE_NONE,  /* a label like any other */
    ONELINE_FOUND, /* *out: a file of one runner, whose label is this one without its suffix; cirun_yml_free */
    ONELINE_WRONG  /* it is meant to be of this form; *e says what is wrong */
};

enum oneline_verdict oneline_parse(const char *label, struct cirun_yml **out, struct err *e);

#endif
