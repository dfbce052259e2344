# code(line): a line of C without comments and without what stands in quotes. Call it once for each line, in order.
# `code_slashes` tells whether the line held a // comment; `code_in_comment` whether a comment goes on behind it.

BEGINFILE {
    code_in_comment = 0
}

function code(line,    out, at, rest) {
    code_slashes = 0
    out = ""
    rest = line
    while (rest != "") {
        if (code_in_comment) {
            at = index(rest, "*/")
            if (at == 0)
                return out
            rest = substr(rest, at + 2)
            code_in_comment = 0
        } else if (match(rest, /\/\*|\/\/|"|'/)) {
            out = out substr(rest, 1, RSTART - 1)
            at = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            if (at == "/*") {
                code_in_comment = 1
                out = out " "
            } else if (at == "//") {
                code_slashes = 1
                return out
            } else {
                if (at == "\"")
                    match(rest, /^([^"\\]|\\.)*"/)
                else
                    match(rest, /^([^'\\]|\\.)*'/)
                rest = RLENGTH > 0 ? substr(rest, RLENGTH + 1) : ""
                out = out at at
            }
        } else {
            return out rest
        }
    }
    return out
}

function finding(name, file, line, text) {
    print file ":" line ": " name ": " text
}
