#!/bin/sh
# Run once by the PostgreSQL image, on an empty volume: the program's own database and role, which is no superuser.
# Owning the database, it may create what the program needs there: tables, a schema, the extensions pg_trgm and btree_gin.
set -eu

psql --set=ON_ERROR_STOP=1 --set=password="$ZAPINI_DATABASE_PASSWORD" --username="$POSTGRES_USER" <<'SQL'
create role zapini login password :'password';
create database zapini owner zapini;
revoke connect on database zapini from public;
SQL
