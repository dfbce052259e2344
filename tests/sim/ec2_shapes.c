/* Made by gen_ec2_shapes.py from botocore 1.29.27, API 2016-11-15. */
#include "tests/sim/ec2_shapes.h"

#include <stddef.h>

static const struct ec2_param p_DescribeAvailabilityZones[] = {{"AllAvailabilityZones", EC2_B, false, NULL},
                                                               {"DryRun", EC2_B, false, NULL},
                                                               {"Filter.N.Name", EC2_S, false, NULL},
                                                               {"Filter.N.Value.N", EC2_S, false, NULL},
                                                               {"ZoneId.N", EC2_S, false, NULL},
                                                               {"ZoneName.N", EC2_S, false, NULL},
                                                               {NULL, EC2_S, false, NULL}};

static const struct ec2_param p_DescribeImages[] = {
    {"DryRun", EC2_B, false, NULL},        {"ExecutableBy.N", EC2_S, false, NULL},
    {"Filter.N.Name", EC2_S, false, NULL}, {"Filter.N.Value.N", EC2_S, false, NULL},
    {"ImageId.N", EC2_S, false, NULL},     {"IncludeDeprecated", EC2_B, false, NULL},
    {"Owner.N", EC2_S, false, NULL},       {NULL, EC2_S, false, NULL}};

static const struct ec2_param p_DescribeInstances[] = {{"DryRun", EC2_B, false, NULL},
                                                       {"Filter.N.Name", EC2_S, false, NULL},
                                                       {"Filter.N.Value.N", EC2_S, false, NULL},
                                                       {"InstanceId.N", EC2_S, false, NULL},
                                                       {"MaxResults", EC2_I, false, NULL},
                                                       {"NextToken", EC2_S, false, NULL},
                                                       {NULL, EC2_S, false, NULL}};

static const struct ec2_param p_DescribeRegions[] = {
    {"AllRegions", EC2_B, false, NULL},    {"DryRun", EC2_B, false, NULL},
    {"Filter.N.Name", EC2_S, false, NULL}, {"Filter.N.Value.N", EC2_S, false, NULL},
    {"RegionName.N", EC2_S, false, NULL},  {NULL, EC2_S, false, NULL}};

static const struct ec2_param p_DescribeSubnets[] = {
    {"DryRun", EC2_B, false, NULL},     {"Filter.N.Name", EC2_S, false, NULL}, {"Filter.N.Value.N", EC2_S, false, NULL},
    {"MaxResults", EC2_I, false, NULL}, {"NextToken", EC2_S, false, NULL},     {"SubnetId.N", EC2_S, false, NULL},
    {NULL, EC2_S, false, NULL}};

static const struct ec2_param p_RunInstances[] = {
    {"AdditionalInfo", EC2_S, false, NULL},
    {"BlockDeviceMapping.N.DeviceName", EC2_S, false, NULL},
    {"BlockDeviceMapping.N.Ebs.DeleteOnTermination", EC2_B, false, NULL},
    {"BlockDeviceMapping.N.Ebs.Encrypted", EC2_B, false, NULL},
    {"BlockDeviceMapping.N.Ebs.Iops", EC2_I, false, NULL},
    {"BlockDeviceMapping.N.Ebs.KmsKeyId", EC2_S, false, NULL},
    {"BlockDeviceMapping.N.Ebs.OutpostArn", EC2_S, false, NULL},
    {"BlockDeviceMapping.N.Ebs.SnapshotId", EC2_S, false, NULL},
    {"BlockDeviceMapping.N.Ebs.Throughput", EC2_I, false, NULL},
    {"BlockDeviceMapping.N.Ebs.VolumeSize", EC2_I, false, NULL},
    {"BlockDeviceMapping.N.Ebs.VolumeType", EC2_S, false, "standard io1 io2 gp2 sc1 st1 gp3"},
    {"BlockDeviceMapping.N.NoDevice", EC2_S, false, NULL},
    {"BlockDeviceMapping.N.VirtualName", EC2_S, false, NULL},
    {"CapacityReservationSpecification.CapacityReservationPreference", EC2_S, false, "open none"},
    {"CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId", EC2_S, false, NULL},
    {"CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationResourceGroupArn", EC2_S, false,
     NULL},
    {"ClientToken", EC2_S, false, NULL},
    {"CpuOptions.CoreCount", EC2_I, false, NULL},
    {"CpuOptions.ThreadsPerCore", EC2_I, false, NULL},
    {"CreditSpecification.CpuCredits", EC2_S, true, NULL},
    {"DisableApiStop", EC2_B, false, NULL},
    {"DisableApiTermination", EC2_B, false, NULL},
    {"DryRun", EC2_B, false, NULL},
    {"EbsOptimized", EC2_B, false, NULL},
    {"ElasticGpuSpecification.N.Type", EC2_S, true, NULL},
    {"ElasticInferenceAccelerator.N.Count", EC2_I, false, NULL},
    {"ElasticInferenceAccelerator.N.Type", EC2_S, true, NULL},
    {"EnclaveOptions.Enabled", EC2_B, false, NULL},
    {"HibernationOptions.Configured", EC2_B, false, NULL},
    {"IamInstanceProfile.Arn", EC2_S, false, NULL},
    {"IamInstanceProfile.Name", EC2_S, false, NULL},
    {"ImageId", EC2_S, false, NULL},
    {"InstanceInitiatedShutdownBehavior", EC2_S, false, "stop terminate"},
    {"InstanceMarketOptions.MarketType", EC2_S, false, "spot"},
    {"InstanceMarketOptions.SpotOptions.BlockDurationMinutes", EC2_I, false, NULL},
    {"InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", EC2_S, false, "hibernate stop terminate"},
    {"InstanceMarketOptions.SpotOptions.MaxPrice", EC2_S, false, NULL},
    {"InstanceMarketOptions.SpotOptions.SpotInstanceType", EC2_S, false, "one-time persistent"},
    {"InstanceMarketOptions.SpotOptions.ValidUntil", EC2_T, false, NULL},
    {"InstanceType", EC2_S, false, NULL},
    {"Ipv6Address.N.Ipv6Address", EC2_S, false, NULL},
    {"Ipv6AddressCount", EC2_I, false, NULL},
    {"KernelId", EC2_S, false, NULL},
    {"KeyName", EC2_S, false, NULL},
    {"LaunchTemplate.LaunchTemplateId", EC2_S, false, NULL},
    {"LaunchTemplate.LaunchTemplateName", EC2_S, false, NULL},
    {"LaunchTemplate.Version", EC2_S, false, NULL},
    {"LicenseSpecification.N.LicenseConfigurationArn", EC2_S, false, NULL},
    {"MaintenanceOptions.AutoRecovery", EC2_S, false, "disabled default"},
    {"MaxCount", EC2_I, true, NULL},
    {"MetadataOptions.HttpEndpoint", EC2_S, false, "disabled enabled"},
    {"MetadataOptions.HttpProtocolIpv6", EC2_S, false, "disabled enabled"},
    {"MetadataOptions.HttpPutResponseHopLimit", EC2_I, false, NULL},
    {"MetadataOptions.HttpTokens", EC2_S, false, "optional required"},
    {"MetadataOptions.InstanceMetadataTags", EC2_S, false, "disabled enabled"},
    {"MinCount", EC2_I, true, NULL},
    {"Monitoring.Enabled", EC2_B, true, NULL},
    {"NetworkInterface.N.AssociateCarrierIpAddress", EC2_B, false, NULL},
    {"NetworkInterface.N.AssociatePublicIpAddress", EC2_B, false, NULL},
    {"NetworkInterface.N.DeleteOnTermination", EC2_B, false, NULL},
    {"NetworkInterface.N.Description", EC2_S, false, NULL},
    {"NetworkInterface.N.DeviceIndex", EC2_I, false, NULL},
    {"NetworkInterface.N.InterfaceType", EC2_S, false, NULL},
    {"NetworkInterface.N.Ipv4Prefix.N.Ipv4Prefix", EC2_S, false, NULL},
    {"NetworkInterface.N.Ipv4PrefixCount", EC2_I, false, NULL},
    {"NetworkInterface.N.Ipv6AddressCount", EC2_I, false, NULL},
    {"NetworkInterface.N.Ipv6Addresses.N.Ipv6Address", EC2_S, false, NULL},
    {"NetworkInterface.N.Ipv6Prefix.N.Ipv6Prefix", EC2_S, false, NULL},
    {"NetworkInterface.N.Ipv6PrefixCount", EC2_I, false, NULL},
    {"NetworkInterface.N.NetworkCardIndex", EC2_I, false, NULL},
    {"NetworkInterface.N.NetworkInterfaceId", EC2_S, false, NULL},
    {"NetworkInterface.N.PrivateIpAddress", EC2_S, false, NULL},
    {"NetworkInterface.N.PrivateIpAddresses.N.Primary", EC2_B, false, NULL},
    {"NetworkInterface.N.PrivateIpAddresses.N.PrivateIpAddress", EC2_S, false, NULL},
    {"NetworkInterface.N.SecondaryPrivateIpAddressCount", EC2_I, false, NULL},
    {"NetworkInterface.N.SecurityGroupId.N", EC2_S, false, NULL},
    {"NetworkInterface.N.SubnetId", EC2_S, false, NULL},
    {"Placement.Affinity", EC2_S, false, NULL},
    {"Placement.AvailabilityZone", EC2_S, false, NULL},
    {"Placement.GroupId", EC2_S, false, NULL},
    {"Placement.GroupName", EC2_S, false, NULL},
    {"Placement.HostId", EC2_S, false, NULL},
    {"Placement.HostResourceGroupArn", EC2_S, false, NULL},
    {"Placement.PartitionNumber", EC2_I, false, NULL},
    {"Placement.SpreadDomain", EC2_S, false, NULL},
    {"Placement.Tenancy", EC2_S, false, "default dedicated host"},
    {"PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord", EC2_B, false, NULL},
    {"PrivateDnsNameOptions.EnableResourceNameDnsARecord", EC2_B, false, NULL},
    {"PrivateDnsNameOptions.HostnameType", EC2_S, false, "ip-name resource-name"},
    {"PrivateIpAddress", EC2_S, false, NULL},
    {"RamdiskId", EC2_S, false, NULL},
    {"SecurityGroup.N", EC2_S, false, NULL},
    {"SecurityGroupId.N", EC2_S, false, NULL},
    {"SubnetId", EC2_S, false, NULL},
    {"TagSpecification.N.ResourceType", EC2_S, false,
     "capacity-reservation client-vpn-endpoint customer-gateway carrier-gateway coip-pool dedicated-host "
     "dhcp-options egress-only-internet-gateway elastic-ip elastic-gpu export-image-task "
     "export-instance-task fleet fpga-image host-reservation image import-image-task import-snapshot-task "
     "instance instance-event-window internet-gateway ipam ipam-pool ipam-scope ipv4pool-ec2 ipv6pool-ec2 "
     "key-pair launch-template local-gateway local-gateway-route-table local-gateway-virtual-interface "
     "local-gateway-virtual-interface-group local-gateway-route-table-vpc-association "
     "local-gateway-route-table-virtual-interface-group-association natgateway network-acl "
     "network-interface network-insights-analysis network-insights-path network-insights-access-scope "
     "network-insights-access-scope-analysis placement-group prefix-list replace-root-volume-task "
     "reserved-instances route-table security-group security-group-rule snapshot spot-fleet-request "
     "spot-instances-request subnet subnet-cidr-reservation traffic-mirror-filter traffic-mirror-session "
     "traffic-mirror-target transit-gateway transit-gateway-attachment transit-gateway-connect-peer "
     "transit-gateway-multicast-domain transit-gateway-policy-table transit-gateway-route-table "
     "transit-gateway-route-table-announcement volume vpc vpc-endpoint vpc-endpoint-connection "
     "vpc-endpoint-service vpc-endpoint-service-permission vpc-peering-connection vpn-connection "
     "vpn-gateway vpc-flow-log capacity-reservation-fleet traffic-mirror-filter-rule "
     "vpc-endpoint-connection-device-type verified-access-instance verified-access-group "
     "verified-access-endpoint verified-access-policy verified-access-trust-provider "
     "vpn-connection-device-type"},
    {"TagSpecification.N.Tag.N.Key", EC2_S, false, NULL},
    {"TagSpecification.N.Tag.N.Value", EC2_S, false, NULL},
    {"UserData", EC2_S, false, NULL},
    {NULL, EC2_S, false, NULL}};

static const struct ec2_param p_TerminateInstances[] = {
    {"DryRun", EC2_B, false, NULL}, {"InstanceId.N", EC2_S, true, NULL}, {NULL, EC2_S, false, NULL}};

const struct ec2_action ec2_actions[] = {{"DescribeAvailabilityZones", p_DescribeAvailabilityZones},
                                         {"DescribeImages", p_DescribeImages},
                                         {"DescribeInstances", p_DescribeInstances},
                                         {"DescribeRegions", p_DescribeRegions},
                                         {"DescribeSubnets", p_DescribeSubnets},
                                         {"RunInstances", p_RunInstances},
                                         {"TerminateInstances", p_TerminateInstances},
                                         {NULL, NULL}};
