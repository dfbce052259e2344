# What the stack of stack.sh holds: users, projects, a catalogue of two regions, an image, networks, flavors, quotas. To be
# sourced; each function fails when a step of it fails, having said why.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # stack.sh sets addresses and passwords, and uses what is found here

token=

# sign_in USER PASSWORD PROJECT
sign_in() {
    token=$(jq -n --arg user "$1" --arg password "$2" --arg project "$3" '{auth: {
        identity: {methods: ["password"], password: {user: {name: $user, domain: {id: "default"}, password: $password}}},
        scope: {project: {name: $project, domain: {id: "default"}}}}}' |
        curl -sf -m 120 -D - -o /dev/null -H 'Content-Type: application/json' "$keystone/auth/tokens" -d @- |
        tr -d '\r' | sed -n 's/^[Xx]-[Ss]ubject-[Tt]oken: //p')
    [ -n "$token" ] || { echo "no token for $1" >&2 && return 1; }
}

# call METHOD URL [JSON]: prints the answer; a status over 399 fails.
call() {
    local out code
    out=$(curl -s -m 120 -X "$1" -H "X-Auth-Token: $token" -H 'Content-Type: application/json' ${3:+-d "$3"} \
        -w '\n%{http_code}' "$2") || { echo "no answer: $1 $2" >&2 && return 1; }
    code=${out##*$'\n'}
    out=${out%$'\n'*}
    if [ "$code" -ge 400 ]; then
        printf '%s %s: %s %s\n' "$1" "$2" "$code" "$out" >&2
        return 1
    fi
    printf '%s\n' "$out"
}

# create URL JSON PATH: makes it and prints its id.
create() {
    call POST "$1" "$2" | jq -re "$3.id"
}

project() { create "$keystone/projects" "{\"project\": {\"name\": \"$1\", \"domain_id\": \"default\"}}" .project; }
new_user() {
    create "$keystone/users" "{\"user\": {\"name\": \"$1\", \"password\": \"$2\", \"domain_id\": \"default\"}}" .user
}
role() { call GET "$keystone/roles?name=$1" | jq -re '.roles[0].id'; }
grant() { call PUT "$keystone/projects/$1/users/$2/roles/$3" >/dev/null; }

# service TYPE URL: in the catalogue, the same for everybody.
service() {
    local id interface
    id=$(create "$keystone/services" "{\"service\": {\"name\": \"$1\", \"type\": \"$1\"}}" .service) || return 1
    for interface in public internal; do
        endpoint "$id" "$interface" "$region" "$2" || return 1
    done
    # In the other region nobody listens.
    [ "$1" != compute ] || endpoint "$id" public RegionTwo "http://127.0.0.1:1/v2.1"
}
endpoint() {
    create "$keystone/endpoints" "{\"endpoint\": {\"service_id\": \"$1\", \"interface\": \"$2\", \"region_id\": \"$3\",
        \"url\": \"$4\"}}" .endpoint >/dev/null
}

seed_identity() {
    local services account admin member service_role
    sign_in admin "$admin_password" admin &&
        services=$(project service) && lab=$(project lab) && small=$(project lab-small) &&
        account=$(new_user service "$service_password") && user=$(new_user lab "$user_password") &&
        admin=$(role admin) && member=$(role member) &&
        service_role=$(create "$keystone/roles" '{"role": {"name": "service"}}' .role) &&
        grant "$services" "$account" "$admin" && grant "$services" "$account" "$service_role" &&
        grant "$lab" "$user" "$member" && grant "$small" "$user" "$member" &&
        call PUT "$keystone/regions/RegionTwo" '{"region": {}}' >/dev/null &&
        service compute "$nova" && service placement "$placement" && service image "$glance" &&
        service network "$neutron" && seed_credential && sign_in admin "$admin_password" admin
}

seed_credential() {
    credential_secret=$(secret)
    sign_in lab "$user_password" lab &&
        credential=$(create "$keystone/users/$user/application_credentials" "{\"application_credential\":
            {\"name\": \"lab\", \"secret\": \"$credential_secret\", \"roles\": [{\"name\": \"member\"}]}}" \
            .application_credential)
}

seed_image() {
    local id
    id=$(create "$glance/v2/images" '{"name": "tiny", "disk_format": "raw", "container_format": "bare",
        "visibility": "public"}' '') &&
        head -c 4096 /dev/zero | curl -sf -m 120 -X PUT -H "X-Auth-Token: $token" \
            -H 'Content-Type: application/octet-stream' --data-binary @- "$glance/v2/images/$id/file"
}

# network NAME PROJECT SUBNET
network() {
    local id
    id=$(create "$neutron/v2.0/networks" "{\"network\": {\"name\": \"$1\", \"project_id\": \"$2\"}}" .network) &&
        create "$neutron/v2.0/subnets" "{\"subnet\": {\"network_id\": \"$id\", \"project_id\": \"$2\", \"ip_version\": 4,
            \"cidr\": \"$3\", \"enable_dhcp\": false}}" .subnet >/dev/null
}
# The network full has one address, and something has it.
seed_networks() {
    local id
    network private "$lab" 10.77.0.0/16 && network small "$small" 10.78.0.0/16 && network full "$small" 10.79.0.0/30 &&
        id=$(call GET "$neutron/v2.0/networks?name=full" | jq -re '.networks[0].id') &&
        create "$neutron/v2.0/ports" "{\"port\": {\"network_id\": \"$id\", \"project_id\": \"$small\"}}" .port >/dev/null
}

# No volumes for the small project.
seed_volumes() { call PUT "$cinder/os-quota-sets/$small" '{"quota_set": {"volumes": 0}}' >/dev/null; }

# flavor ID NAME VCPUS RAM_MB DISK_GB [EXTRA_SPECS]
flavor() {
    create "$nova/flavors" "{\"flavor\": {\"id\": \"$1\", \"name\": \"$2\", \"vcpus\": $3, \"ram\": $4, \"disk\": $5}}" \
        .flavor >/dev/null || return 1
    [ -z "${6:-}" ] || call POST "$nova/flavors/$1/os-extra_specs" "{\"extra_specs\": $6}" >/dev/null
}
quota() { call PUT "$nova/os-quota-sets/$1" "{\"quota_set\": $2}" >/dev/null; }

# The compute node reports itself some seconds after its first start.
compute_is_up() {
    call GET "$nova/os-services?binary=nova-compute" | jq -e '[.services[] | select(.state == "up")] | length > 0' &&
        call GET "$placement/resource_providers" | jq -e '.resource_providers | length > 0'
}
seed_compute() {
    flavor 1 m1.tiny 1 512 1 && flavor 2 m1.diskless 1 512 0 && flavor 3 m1.small 2 2048 10 &&
        flavor 10 gpu.one 16 65536 100 '{"pci_passthrough:alias": "a100:1"}' && # fits LAB_GPUS times
        flavor 11 gpu.eight 96 262144 500 '{"pci_passthrough:alias": "a100:8"}' && # fits nowhere
        quota "$lab" '{"instances": 50, "cores": 10000, "ram": 4000000}' &&
        quota "$small" '{"instances": 1, "cores": 4, "ram": 4096}' || return 1
    until compute_is_up >/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.5
    done
}
