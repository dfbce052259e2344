# Who may include whom: the rows of server/README.md. Reads C files by their path from the root.

# The row of a file, or "" when it stands in none. `folder_of` says which folder of the row.
function row_of(path) {
    if (path ~ /^server\/main\.c$|^server\/cli\//)
        return 7
    if (path ~ /^server\/api\//)
        return 6
    if (path ~ /^server\/engine\//)
        return 5
    if (path ~ /^server\/(github|config|store|bootstrap)\//)
        return 4
    if (path ~ /^server\/model\.[ch]$/)
        return 3
    if (path ~ /^providers\/(provider|registry)\.[ch]$/)
        return 1.5
    if (path ~ /^providers\/common\//)
        return 1
    if (path ~ /^providers\/[^\/]+\.c$/)
        return 2
    if (path ~ /^server\/base\//)
        return 0
    return ""
}

function folder_of(path,    row) {
    row = row_of(path)
    if (row == 7)
        return "cli"
    sub(/\/[^\/]*$/, "", path)
    return row ":" path
}

function check(from, to, line,    a, b) {
    a = row_of(from)
    b = row_of(to)
    if (from ~ /^tests\//)
        return
    if (to ~ /^tests\//)
        finding("layers", from, line, "only tests include from tests/")
    else if (a == "")
        finding("layers", from, line, "stands in no row of server/README.md")
    else if (b == "")
        finding("layers", from, line, to " stands in no row of server/README.md")
    else if (b > a)
        finding("layers", from, line, "row " a " includes " to " of row " b)
    else if (a == b && folder_of(from) != folder_of(to))
        finding("layers", from, line, "folders of one row do not see each other: " to)
}

# Depth first over what headers include; reports each way back to a file that is being visited.
function visit(path, way,    i, to) {
    state[path] = 1
    for (i = 1; i <= n[path]; i++) {
        to = edge[path, i]
        if (!(to in state))
            visit(to, way path " -> ")
        else if (state[to] == 1)
            finding("cycle", path, at[path, i], "includes in a circle: " way path " -> " to)
    }
    state[path] = 2
}

FNR == 1 && FILENAME ~ /^providers\/[^\/]+\.h$/ && row_of(FILENAME) == "" {
    finding("layers", FILENAME, 1, "a cloud is one file that nobody includes: its parts stand in providers/common/")
    next
}

FNR == 1 && FILENAME ~ /^(server|providers)\// && row_of(FILENAME) == "" {
    finding("layers", FILENAME, 1, "stands in no row of server/README.md")
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    match($0, /"[^"]*"/)
    to = substr($0, RSTART + 1, RLENGTH - 2)
    if (to ~ /^[a-z0-9_]+_(sh|ps1|md)\.h$/)
        next # generated from a script of server/bootstrap/ or a page of server/config/
    if (to !~ /^(server|providers|tests)\//) {
        finding("layers", FILENAME, FNR, "name the file by its path from the root: " to)
        next
    }
    check(FILENAME, to, FNR)
    edge[FILENAME, ++n[FILENAME]] = to
    at[FILENAME, n[FILENAME]] = FNR
}

END {
    for (path in n) {
        if (!(path in state))
            visit(path, "")
    }
}
