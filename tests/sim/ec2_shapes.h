/* What each EC2 action takes: a table generated from botocore's service model by gen_ec2_shapes.py. */
#ifndef MUSTER_TESTS_SIM_EC2_SHAPES_H
#define MUSTER_TESTS_SIM_EC2_SHAPES_H

#include <stdbool.h>

enum ec2_param_type { EC2_S, EC2_I, EC2_B, EC2_T, EC2_D };

struct ec2_param {
    const char *path; /* "NetworkInterface.N.SubnetId" */
    enum ec2_param_type type;
    bool required;      /* where its parent is given; at the top: always */
    const char *values; /* separated by blanks; NULL = any */
};

struct ec2_action {
    const char *name;
    const struct ec2_param *params; /* ended by a NULL path */
};

extern const struct ec2_action ec2_actions[]; /* ended by a NULL name */

#endif
