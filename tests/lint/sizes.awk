# Length limits. Use with code.awk.

BEGINFILE {
    began = code_lines = 0
}

{
    text = code($0)
    if (text !~ /^[ \t]*$/)
        code_lines++
}

/^{/ {
    began = FNR
}

/^}/ {
    if (began && FNR - began - 1 > 70)
        finding("sizes", FILENAME, began, "a function of " FNR - began - 1 " lines; 70 are allowed")
    began = 0
}

ENDFILE {
    if (FNR > 600)
        finding("sizes", FILENAME, FNR, FNR " lines; 600 are allowed")
    if (FILENAME ~ /\.h$/ && code_lines > 150)
        finding("sizes", FILENAME, FNR, "a header with " code_lines " lines of code; 150 are allowed")
}
