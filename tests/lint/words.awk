# Forbidden functions and constructs. Use with code.awk.

BEGIN {
    banned = "\\<(strcpy|stpcpy|strcat|sprintf|vsprintf|gets|strtok|strtok_r|atoi|atol|atoll|atof|system|sleep|usleep|" \
             "nanosleep|rand|srand|rand_r|random|alloca)[ \t]*\\("
    # These three keep the one clock, the one log and the one set of counters of a process.
    may_keep_state = "^tests/|^server/base/(clock|log|metric)\\.c$"
}

BEGINFILE {
    in_function = depth = 0
    statement = ""
}

# An object that can change, by its declaration; `text` ends before '=' or ';'.
function is_mutable(text) {
    sub(/=.*/, "", text)
    if (text !~ /\*/)
        return text !~ /\<const\>/
    sub(/.*\*/, "", text) # the last star: is the pointer itself const?
    return text !~ /\<const\>/
}

# A whole statement outside functions, what stood in braces left out.
function file_scope(text) {
    gsub(/^[ \t]+/, "", text)
    if (text == "" || text ~ /^(typedef|extern|_Static_assert|struct [a-z0-9_]+|union [a-z0-9_]+|enum [a-z0-9_]*)[ \t{}]*$/)
        return
    if (text ~ /^(typedef|extern|_Static_assert)\>/)
        return
    sub(/__attribute__ *\(\(.*\)\)/, "", text)
    if (text ~ /^[^=(]*\(/ && text !~ /^[^=(]*\([ \t]*\*/)
        return # a function's declaration
    if (is_mutable(text))
        finding("state", FILENAME, FNR, "a variable of the file that can change")
}

# Follow braces to find the statements that stand outside functions.
function follow(text,    i, c) {
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "{") {
            if (depth++ == 0)
                statement = statement "{"
        } else if (c == "}") {
            if (--depth == 0) {
                statement = statement "}"
                if (text ~ /^}[ \t]*$/)
                    statement = "" # the end of a function
            }
        } else if (c == ";" && depth == 0) {
            file_scope(statement)
            statement = ""
        } else if (depth == 0) {
            statement = statement c
        }
    }
    statement = statement " "
}

{
    text = code($0)
    if (code_slashes)
        finding("words", FILENAME, FNR, "comments are /* */")
    if (match(text, banned))
        finding("words", FILENAME, FNR, "forbidden: " substr(text, RSTART, RLENGTH) ")")
    if (text ~ /\<goto\>/)
        finding("words", FILENAME, FNR, "forbidden: goto; resources are released by AUTO_ macros")
    if (FILENAME !~ /^tests\// && text ~ /(mem|str|strn|strcase)cmp[ \t]*\([^&|;]*(secret|hmac|signature|\<mac\>)/)
        finding("words", FILENAME, FNR, "secrets are compared with crypto_equal")
    if (text ~ /^[ \t]*#/) {
        if (in_function && text ~ /^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else)\>/)
            finding("words", FILENAME, FNR, "no conditional compilation inside a function")
        in_macro = text ~ /\\$/
        next
    }
    if (in_macro) {
        in_macro = text ~ /\\$/
        next
    }
    if (in_function && FILENAME !~ may_keep_state && text ~ /^[ \t]+static\>/ && text !~ /\(/ && is_mutable(text))
        finding("state", FILENAME, FNR, "a static variable that can change")
    if (text ~ /^{/)
        in_function = 1
    if (FILENAME !~ may_keep_state)
        follow(text)
    if (text ~ /^}/)
        in_function = 0
}
