# Turns a shell script into a C header: static const char NAME[] = {...}; without comment lines, blank lines and
# indentation. The first line is kept, and so are here-documents, byte for byte. usage: awk -v name=linux_sh -f embed.awk
# An array and not a string, because C11 promises only 4,095 characters of the latter.
function emit(text,    i, c) {
    line = ""
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (!(c in code)) {
            printf "embed.awk: %s:%d: only printable ASCII and tabs can be embedded\n", FILENAME, FNR >"/dev/stderr"
            failed = 1
            exit 1
        }
        line = line code[c] ","
    }
    print line "10,"
}

# The word that ends the here-document opened on this line, "" when none is.
function here_end(text,    word) {
    if (text ~ /<<</ || !match(text, /<<-?[ ]*['"\\]?[A-Za-z_][A-Za-z_0-9]*/))
        return ""
    word = substr(text, RSTART, RLENGTH)
    gsub(/[^A-Za-z_0-9]/, "", word)
    return word
}

BEGIN {
    code["\t"] = 9
    for (i = 32; i < 127; i++)
        code[sprintf("%c", i)] = i
    printf "static const char %s[] = {\n", name
}
FNR == 1 { emit($0); next }
here != "" {
    emit($0)
    if ($0 == here)
        here = ""
    next
}
/^[ \t]*(#|$)/ { next }
{
    sub(/^[ \t]+/, "")
    here = here_end($0)
    emit($0)
}
END {
    if (failed)
        exit 1
    print "0};"
}
