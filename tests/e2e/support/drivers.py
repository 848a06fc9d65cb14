"""Logs in with URLs as applications do. Lines of JSON come in: {"password": …, "url": …}."""

import asyncio
import json
import sys
from urllib.parse import unquote, urlsplit

import asyncpg
import pg8000.dbapi
import psycopg
import psycopg2


def over_asyncpg(url):
    async def ask():
        connection = await asyncpg.connect(url)
        answer = await connection.fetchval("SELECT 1")
        await connection.close()
        return answer

    return asyncio.run(ask())


def over_libpq(driver):
    def ask(url):
        with driver.connect(url) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            return cursor.fetchone()[0]

    return ask


def over_pg8000(url):
    # It takes no URL: this is what frameworks do with one.
    parts = urlsplit(url)
    connection = pg8000.dbapi.connect(
        user=unquote(parts.username), password=unquote(parts.password), host=parts.hostname,
        port=parts.port, database=unquote(parts.path[1:]))
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    answer = cursor.fetchone()[0]
    connection.close()
    return answer


DRIVERS = {
    "psycopg": over_libpq(psycopg), "psycopg2": over_libpq(psycopg2),
    "asyncpg": over_asyncpg, "pg8000": over_pg8000,
}

operator = psycopg.connect(sys.argv[1], autocommit=True)
for line in sys.stdin:
    case = json.loads(line)
    operator.execute(psycopg.sql.SQL("ALTER ROLE appuser PASSWORD {}").format(case["password"]))
    for name, ask in DRIVERS.items():
        # Its SCRAM knows the characters of 2002 only, whatever the URL is.
        if name == "pg8000" and max(case["password"]) > "\uffff":
            continue
        try:
            assert ask(case["url"]) == 1
        except Exception as error:
            sys.exit(f"{name} with the password {case['password']!r}: {error}")
