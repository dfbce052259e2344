#!/usr/bin/python3
"""Write tests/sim/ec2_shapes.c: the input shapes of the EC2 actions that the simulator knows.

Source: botocore's EC2 service model (Debian: python3-botocore). Run it by hand when an action is added:
    /usr/bin/python3 tests/sim/gen_ec2_shapes.py >tests/sim/ec2_shapes.c && clang-format-14 -i tests/sim/ec2_shapes.c
A parameter's name on the wire is its queryName, else its location name with a capital; list items are numbered from 1,
written N here. Enumerations are kept except the names of instance types, which EC2 adds to every month.
"""
import botocore
import botocore.session

ACTIONS = [
    "DescribeAvailabilityZones", "DescribeImages", "DescribeInstances", "DescribeRegions", "DescribeSubnets",
    "RunInstances", "TerminateInstances",
]
TYPES = {"string": "S", "integer": "I", "long": "I", "boolean": "B", "timestamp": "T", "blob": "S", "double": "D",
         "float": "D"}


def wire_name(member, shape):
    name = shape.serialization.get("queryName")
    if name:
        return name
    name = shape.serialization.get("name", member)
    return name[0].upper() + name[1:]


def leaves(shape, path, required, out):
    if shape.type_name == "structure":
        for member, sub in shape.members.items():
            leaves(sub, f"{path}.{wire_name(member, sub)}", member in shape.required_members, out)
    elif shape.type_name == "list":
        leaves(shape.member, f"{path}.N", required, out)
    else:
        values = "" if shape.name == "InstanceType" else " ".join(getattr(shape, "enum", []) or [])
        out.append((path[1:], TYPES[shape.type_name], required, values))


def quote(text):
    lines, line = [], ""
    for word in text.split(" "):
        if len(line) + len(word) > 100:
            lines.append(line)
            line = ""
        line += word + " "
    lines.append(line.rstrip())
    return " ".join(f'"{part}"' for part in lines)


def main():
    model = botocore.session.get_session().get_service_model("ec2")
    print(f"/* Made by gen_ec2_shapes.py from botocore {botocore.__version__}, API {model.api_version}. */")
    print('#include "tests/sim/ec2_shapes.h"\n\n#include <stddef.h>\n')
    for action in ACTIONS:
        found = []
        leaves(model.operation_model(action).input_shape, "", False, found)
        print(f"static const struct ec2_param p_{action}[] = {{")
        for path, kind, required, values in sorted(found):
            enum = quote(values) if values else "NULL"
            print(f'    {{"{path}", EC2_{kind}, {"true" if required else "false"}, {enum}}},')
        print("    {NULL, EC2_S, false, NULL}};\n")
    print("const struct ec2_action ec2_actions[] = {")
    for action in ACTIONS:
        print(f'    {{"{action}", p_{action}}},')
    print("    {NULL, NULL}};")


if __name__ == "__main__":
    main()
