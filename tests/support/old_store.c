#include "tests/support/old_store.h"

#include "server/base/buf.h"
#include "server/base/mem.h"
#include "server/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_MAX ((size_t)1 << 20)
#define TABLES                                                                                                         \
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"                   \
    " AND name <> 'schema_version' ORDER BY name"

static sqlite3 *open_raw(const char *path)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 5000);
    return db;
}

void old_store_make(const char *path, int64_t version)
{
    char url[300];
    struct db *d = NULL;
    struct err e;

    (void)snprintf(url, sizeof(url), "sqlite:%s", path);
    if (db_sqlite.open(url, &d, &e) || schema_migrate_to(&db_sqlite, d, version, &e))
        fail_msg("%s", e.msg);
    db_sqlite.close(d);
    assert_int_equal(old_store_ask(path, "SELECT version FROM schema_version"), version);
}

static void run(sqlite3 *db, const char *sql)
{
    char *why = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", why, sql);
}

void old_store_run(const char *path, const char *sql)
{
    sqlite3 *db = open_raw(path);

    run(db, sql);
    (void)sqlite3_close(db);
}

int64_t old_store_ask(const char *path, const char *sql)
{
    sqlite3 *db = open_raw(path);
    sqlite3_stmt *st = NULL;
    int64_t n = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sqlite3_errmsg(db), sql);
    if (sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return n;
}

/* --- by what the columns say -------------------------------------------------------------------------------------- */

static const char *text_value(bool key, bool not_null, bool hostile)
{
    if (key)
        return "'key-' || n.i";
    if (!hostile)
        return "'text ' || n.i";
    return not_null ? "CASE n.i % 3 WHEN 0 THEN '' WHEN 1 THEN '\"; DROP TABLE job; --' || n.i || char(0x1F600)"
                      " ELSE n.i || hex(zeroblob(25000)) END"
                    : "CASE n.i % 3 WHEN 0 THEN NULL WHEN 1 THEN hex(zeroblob(25000)) ELSE char(10) || '{}' END";
}

static const char *int_value(bool key, bool not_null, bool hostile)
{
    if (key)
        return "n.i";
    if (!hostile)
        return "n.i % 3";
    return not_null ? "CASE n.i % 3 WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808 ELSE 0 END"
                    : "CASE n.i % 2 WHEN 0 THEN NULL ELSE 9223372036854775807 END";
}

/* Columns that a unique index or the primary key holds have values of their own. */
static bool is_key(sqlite3 *db, const char *table, const char *column)
{
    static const char sql[] = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2 AND pk > 0 UNION ALL"
                              " SELECT 1 FROM pragma_index_list(?1) l, pragma_index_info(l.name) c"
                              " WHERE l.\"unique\" = 1 AND c.name = ?2";
    sqlite3_stmt *st = NULL;
    bool key;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    (void)sqlite3_bind_text(st, 1, table, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_text(st, 2, column, -1, SQLITE_TRANSIENT);
    key = sqlite3_step(st) == SQLITE_ROW;
    (void)sqlite3_finalize(st);
    return key;
}

static void fill_table(sqlite3 *db, const char *table, int64_t rows, bool hostile)
{
    AUTO_BUF struct buf names = BUF_INIT(TEXT_MAX), values = BUF_INIT(TEXT_MAX), sql = BUF_INIT(TEXT_MAX);
    sqlite3_stmt *st = NULL;

    assert_int_equal(sqlite3_prepare_v2(db, "SELECT name, type, \"notnull\" FROM pragma_table_info(?1)", -1, &st, NULL),
                     SQLITE_OK);
    (void)sqlite3_bind_text(st, 1, table, -1, SQLITE_TRANSIENT);
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        bool text = strcmp((const char *)sqlite3_column_text(st, 1), "TEXT") == 0;
        bool key = is_key(db, table, name), not_null = sqlite3_column_int(st, 2) != 0;

        buf_addf(&names, "%s%s", names.len > 0 ? ", " : "", name);
        buf_addf(&values, "%s%s", values.len > 0 ? ", " : "",
                 text ? text_value(key, not_null, hostile) : int_value(key, not_null, hostile));
    }
    (void)sqlite3_finalize(st);
    buf_addf(&sql,
             "INSERT INTO %s (%s) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %lld)"
             " SELECT %s FROM n",
             table, names.p, (long long)rows, values.p);
    run(db, sql.p);
}

typedef void table_fn(sqlite3 *db, const char *table, void *arg);

static void each_table(sqlite3 *db, const char *sql, table_fn *fn, void *arg)
{
    sqlite3_stmt *st = NULL;
    char names[64][64];
    size_t n = 0;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW && n < 64)
        (void)snprintf(names[n++], sizeof(names[0]), "%s", (const char *)sqlite3_column_text(st, 0));
    (void)sqlite3_finalize(st);
    assert_true(n > 0 && n < 64);
    for (size_t i = 0; i < n; i++)
        fn(db, names[i], arg);
}

struct filling {
    int64_t rows;
    bool hostile;
};

static void fill_one(sqlite3 *db, const char *table, void *arg)
{
    const struct filling *f = arg;

    fill_table(db, table, f->rows, f->hostile);
}

void old_store_fill(const char *path, int64_t rows, bool hostile)
{
    struct filling f = {rows, hostile};
    sqlite3 *db = open_raw(path);

    run(db, "PRAGMA journal_mode = WAL");
    run(db, "BEGIN");
    each_table(db, TABLES, fill_one, &f);
    run(db, "COMMIT");
    assert_int_equal(sqlite3_close(db), SQLITE_OK); /* the last one: all is in the one file */
}

/* --- what stands in it -------------------------------------------------------------------------------------------- */

struct digesting {
    const char *path; /* where the numbers are read */
    struct buf out;
};

static void digest_one(sqlite3 *like, const char *table, void *arg)
{
    struct digesting *d = arg;
    AUTO_BUF struct buf sql = BUF_INIT(TEXT_MAX);
    sqlite3_stmt *st = NULL;
    sqlite3 *db = open_raw(d->path);

    buf_adds(&sql, "SELECT count(*)");
    assert_int_equal(sqlite3_prepare_v2(like, "SELECT name FROM pragma_table_info(?1)", -1, &st, NULL), SQLITE_OK);
    (void)sqlite3_bind_text(st, 1, table, -1, SQLITE_TRANSIENT);
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 0);

        buf_addf(&sql, " || ' ' || count(%s) || ' ' || total(length(%s)) || ' ' || total(CAST(%s AS REAL))", name, name,
                 name);
    }
    (void)sqlite3_finalize(st);
    buf_addf(&sql, " FROM %s", table);
    if (sqlite3_prepare_v2(db, sql.p, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sqlite3_errmsg(db), sql.p);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    buf_addf(&d->out, "%s: %s\n", table, (const char *)sqlite3_column_text(st, 0));
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
}

char *old_store_digest(const char *path, const char *like)
{
    struct digesting d = {path, BUF_INIT(TEXT_MAX)};
    sqlite3 *db = open_raw(like);
    char *text = NULL;
    struct err e;

    each_table(db, TABLES, digest_one, &d);
    (void)sqlite3_close(db);
    if (buf_take(&d.out, &text, &e))
        fail_msg("%s", e.msg);
    return text;
}

static void schema_one(sqlite3 *db, const char *text, void *arg)
{
    (void)db;
    buf_addf(arg, "%s\n", text);
}

char *old_store_schema(const char *path)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    sqlite3 *db = open_raw(path);
    sqlite3_stmt *st = NULL;
    char *text = NULL;
    struct err e;

    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema"
                                        " UNION ALL SELECT 'zz version ' || version FROM schema_version ORDER BY 1",
                                        -1, &st, NULL),
                     SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW)
        schema_one(db, (const char *)sqlite3_column_text(st, 0), &out);
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    if (buf_take(&out, &text, &e))
        fail_msg("%s", e.msg);
    return text;
}
