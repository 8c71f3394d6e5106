/* Rows of PostgreSQL in binary form, straight out of a libpq result, as GeoJSON features and as vector tiles.
 *
 * The same bytes as the SQL of mapserver/statements.py (GeoJSON), the same features as ST_AsMVT (tiles); whatever is not
 * known here to the last digit is refused, and the question is then asked in SQL. No Python, no libpq header: the four
 * functions of libpq are handed in. Built by setup/encoder.sh; optional. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "written for little-endian machines; elsewhere the SQL does it all"
#endif

enum { MOST_COLUMNS = 1600, DEEPEST = 8 };

typedef struct {
    int (*ntuples)(const void *);
    int (*nfields)(const void *);
    char *(*getvalue)(const void *, int, int);
    int (*getlength)(const void *, int, int);
    int (*getisnull)(const void *, int, int);
} Libpq;

/* ---- a growing buffer; `failed` is set once and everything after it is in vain ---- */

typedef struct {
    char *bytes;
    size_t length, room;
    int failed;
} Buffer;

static int reserve(Buffer *out, size_t more) {
    if (out->failed) return 0;
    if (out->length + more <= out->room) return 1;
    size_t room = (out->length + more) * 2 + 256;
    char *bytes = realloc(out->bytes, room);
    if (!bytes) {
        out->failed = 1;
        return 0;
    }
    out->bytes = bytes;
    out->room = room;
    return 1;
}

static inline void put(Buffer *out, const void *bytes, size_t count) {
    if (!reserve(out, count)) return;
    memcpy(out->bytes + out->length, bytes, count);
    out->length += count;
}

#define PUT(out, text) put(out, text, sizeof(text) - 1)

static inline void put_byte(Buffer *out, char byte) {
    if (reserve(out, 1)) out->bytes[out->length++] = byte;
}

/* ---- what PostgreSQL sends: big-endian numbers ---- */

static inline uint32_t be32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return __builtin_bswap32(value);
}

static inline uint64_t be64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, 8);
    return __builtin_bswap64(value);
}

/* ---- numbers as text ---- */

static int digits(char *end, uint64_t value) { /* written backwards from `end`; how many */
    int count = 0;
    do {
        end[-++count] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return count;
}

static void put_integer(Buffer *out, int64_t value) {
    char text[24], *end = text + sizeof text;
    int count = digits(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (value < 0) end[-++count] = '-';
    put(out, end - count, (size_t)count);
}

static const double POWERS[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

/* A decimal fraction of `whole` units of 10^-decimals, trailing zeros left out. */
static void put_scaled(Buffer *out, int negative, uint64_t whole, int decimals) {
    char text[32], *end = text + sizeof text;
    uint64_t unit = (uint64_t)POWERS[decimals], fraction = whole % unit;
    int count = 0;
    if (fraction) {
        int left = decimals;
        while (fraction % 10 == 0) fraction /= 10, left--;
        for (; left; left--, fraction /= 10) end[-++count] = (char)('0' + fraction % 10);
        end[-++count] = '.';
    }
    count += digits(end - count, whole / unit);
    if (negative) end[-++count] = '-';
    put(out, end - count, (size_t)count);
}

/* PostGIS rounds the shortest decimal form half to even; this finds that form, for the few that are near a tie. */
static int scaled_by_text(double size, int decimals, uint64_t *whole) {
    char text[48];
    int precision = 15;
    do snprintf(text, sizeof text, "%.*e", precision - 1, size);
    while (strtod(text, NULL) != size && ++precision <= 17);
    uint64_t mantissa = 0;
    char *mark = strchr(text, 'e');
    int count = 0;
    for (char *at = text; at < mark; at++)
        if (*at != '.') mantissa = mantissa * 10 + (uint64_t)(*at - '0'), count++;
    int exponent = atoi(mark + 1) - (count - 1);
    while (mantissa && mantissa % 10 == 0) mantissa /= 10, exponent++;
    int trimmed = -exponent - decimals;
    if (trimmed > 19 || trimmed < -18) return 0;
    uint64_t divisor = 1;
    for (int i = 0; i < abs(trimmed); i++) divisor *= 10;
    if (trimmed <= 0) {
        *whole = mantissa * divisor;
        return 1;
    }
    uint64_t part = mantissa / divisor, rest = mantissa % divisor;
    *whole = part + (rest > divisor / 2 || (rest == divisor / 2 && (part & 1)));
    return 1;
}

static void put_coordinate(Buffer *out, double value, int decimals) {
    double size = fabs(value), scaled = size * POWERS[decimals];
    if (value == 0 && !signbit(value)) {
        put_byte(out, '0');
        return;
    }
    if (!(scaled < 1e15) || scaled < 1) { /* PostGIS has its own ways there: exponents, and zeros with a sign */
        out->failed = 1;
        return;
    }
    double floor_ = floor(scaled), rest = scaled - floor_, doubt = 1e-6 + scaled * 2e-15;
    uint64_t whole = (uint64_t)floor_ + (rest > 0.5);
    if (fabs(rest - 0.5) < doubt && !scaled_by_text(size, decimals, &whole)) out->failed = 1;
    put_scaled(out, value < 0, whole, decimals);
}

/* ---- texts, dates and times ---- */

static void put_text(Buffer *out, const uint8_t *text, int length) {
    if (!reserve(out, (size_t)length * 6 + 2)) return;
    char *at = out->bytes + out->length;
    *at++ = '"';
    for (int i = 0; i < length; i++) {
        uint8_t c = text[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            *at++ = (char)c;
            continue;
        }
        const char *short_ = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\b' ? "\\b" : c == '\f' ? "\\f"
                             : c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
        if (short_) *at++ = short_[0], *at++ = short_[1];
        else at += sprintf(at, "\\u%04x", c);
    }
    *at++ = '"';
    out->length = (size_t)(at - out->bytes);
}

static char *two(char *at, int value) {
    *at++ = (char)('0' + value / 10);
    *at++ = (char)('0' + value % 10);
    return at;
}

/* YYYY-MM-DD of a day counted from 2000-01-01; NULL outside the years 1 to 9999.
 * Method: http://howardhinnant.github.io/date_algorithms.html#civil_from_days */
static char *date_text(char *at, int64_t day) {
    int64_t days = day + 10957 + 719468;
    if (days < 306 || days > 3652365) return NULL;
    int64_t era = days / 146097, doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9), year = (int)(yoe + era * 400 + (month <= 2));
    if (year < 1 || year > 9999) return NULL;
    at = two(two(at, year / 100), year % 100);
    *at++ = '-';
    at = two(at, month);
    *at++ = '-';
    return two(at, (int)(doy - (153 * mp + 2) / 5 + 1));
}

static char *moment_text(char *at, int64_t microseconds) {
    int64_t day = microseconds / 86400000000, rest = microseconds % 86400000000;
    if (rest < 0) rest += 86400000000, day--;
    at = date_text(at, day);
    if (!at) return NULL;
    int64_t seconds = rest / 1000000, micro = rest % 1000000;
    *at++ = 'T';
    at = two(at, (int)(seconds / 3600));
    *at++ = ':';
    at = two(at, (int)(seconds / 60 % 60));
    *at++ = ':';
    at = two(at, (int)(seconds % 60));
    *at++ = '.';
    for (int64_t unit = 100000; unit; unit /= 10) *at++ = (char)('0' + micro / unit % 10);
    *at++ = 'Z';
    return at;
}

/* ---- a row: kinds of columns are one letter each ----
 * I id   t text   i integer   b boolean   d date   z moment   f double   j a JSON text made by SQL   G geometry   - skipped */

typedef struct {
    int count, id, geometry;
    const char *kinds;
    const char *key[MOST_COLUMNS];
    int key_length[MOST_COLUMNS];
} Shape;

static int shape_of(Shape *shape, const char *kinds, const char *keys) {
    size_t count = strlen(kinds);
    if (count > MOST_COLUMNS) return 0;
    shape->count = (int)count;
    shape->kinds = kinds;
    shape->id = shape->geometry = -1;
    for (int i = 0; i < shape->count; i++) {
        shape->key[i] = keys;
        shape->key_length[i] = (int)strlen(keys);
        keys += shape->key_length[i] + 1;
        if (kinds[i] == 'G') shape->geometry = i;
        if (kinds[i] == 'I') shape->id = i;
    }
    return shape->id >= 0;
}

typedef struct {
    const uint8_t *at;
    int length; /* -1: null */
} Value;

static Value value_of(const Libpq *pq, const void *result, int row, int column) {
    Value value = {(const uint8_t *)pq->getvalue(result, row, column), pq->getlength(result, row, column)};
    if (value.length == 0 && pq->getisnull(result, row, column)) value.length = -1;
    return value;
}

static int64_t integer_of(Value value) {
    return value.length == 8   ? (int64_t)be64(value.at)
           : value.length == 4 ? (int32_t)be32(value.at)
                               : (int16_t)(value.at[0] << 8 | value.at[1]);
}

static int fits(char kind, int length) {
    switch (kind) {
        case 'I': case 'i': return length == 8 || length == 4 || length == 2;
        case 'b': return length == 1;
        case 'd': return length == 4;
        case 'z': case 'f': return length == 8;
        default: return 1;
    }
}

/* ---- geometry: EWKB as PostGIS sends it on little-endian machines ---- */

typedef struct {
    const uint8_t *at, *end;
    int dimensions, has_z, failed;
} Ewkb;

static uint32_t take32(Ewkb *in) {
    uint32_t value = 0;
    if (in->end - in->at < 4) in->failed = 1;
    else memcpy(&value, in->at, 4), in->at += 4;
    return value;
}

/* The type (1 point … 7 collection) of what begins here; 0 when it is not one of them. */
static uint32_t take_head(Ewkb *in) {
    if (in->at >= in->end || *in->at++ != 1) in->failed = 1;
    uint32_t type = take32(in);
    if (type & 0x20000000u) take32(in);
    in->has_z = !!(type & 0x80000000u);
    in->dimensions = 2 + in->has_z + !!(type & 0x40000000u);
    type &= 0x0fffffffu;
    return in->failed || type > 7 ? 0 : type;
}

static uint32_t take_points(Ewkb *in) { /* how many points follow, all of them inside the value */
    uint32_t count = take32(in);
    if (!in->failed && (uint64_t)(in->end - in->at) < (uint64_t)count * 8 * (uint64_t)in->dimensions) in->failed = 1;
    return in->failed ? 0 : count;
}

static inline void take_place(Ewkb *in, double place[3]) {
    memcpy(place, in->at, (size_t)(2 + in->has_z) * 8);
    in->at += 8 * in->dimensions;
}

typedef struct {
    int decimals, swap;
} Digits;

static void put_place(Buffer *out, Ewkb *in, Digits as) {
    double place[3];
    take_place(in, place);
    put_byte(out, '[');
    put_coordinate(out, place[as.swap], as.decimals);
    put_byte(out, ',');
    put_coordinate(out, place[!as.swap], as.decimals);
    if (in->has_z) {
        put_byte(out, ',');
        put_coordinate(out, place[2], as.decimals);
    }
    put_byte(out, ']');
}

static void put_places(Buffer *out, Ewkb *in, Digits as) {
    put_byte(out, '[');
    for (uint32_t left = take_points(in); left && !out->failed; left--) {
        put_place(out, in, as);
        if (left > 1) put_byte(out, ',');
    }
    put_byte(out, ']');
}

static void put_coordinates(Buffer *out, Ewkb *in, uint32_t type, Digits as) {
    if (type == 1) {
        if (in->end - in->at < 8 * in->dimensions) in->failed = 1;
        else put_place(out, in, as); /* an empty point has NaN, which put_coordinate refuses */
        return;
    }
    if (type == 2) {
        put_places(out, in, as);
        return;
    }
    put_byte(out, '[');
    for (uint32_t left = take32(in); left && !in->failed && !out->failed; left--) {
        if (type == 3) put_places(out, in, as);
        else if (take_head(in) == type - 3) put_coordinates(out, in, type - 3, as);
        else in->failed = 1;
        if (left > 1) put_byte(out, ',');
    }
    put_byte(out, ']');
}

static void put_geometry(Buffer *out, Ewkb *in, Digits as, int depth) {
    static const char *const NAMES[] = {"", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString",
                                        "MultiPolygon", "GeometryCollection"};
    uint32_t type = take_head(in);
    if (!type || depth > DEEPEST) {
        in->failed = 1;
        return;
    }
    PUT(out, "{\"type\":\"");
    put(out, NAMES[type], strlen(NAMES[type]));
    if (type < 7) {
        PUT(out, "\",\"coordinates\":");
        put_coordinates(out, in, type, as);
    } else {
        PUT(out, "\",\"geometries\":[");
        for (uint32_t left = take32(in); left && !in->failed && !out->failed; left--) {
            put_geometry(out, in, as, depth + 1);
            if (left > 1) put_byte(out, ',');
        }
        put_byte(out, ']');
    }
    put_byte(out, '}');
}

/* ---- GeoJSON ---- */

static void put_value(Buffer *out, char kind, Value value) {
    char text[40], *end = NULL;
    if (value.length < 0) {
        PUT(out, "null");
        return;
    }
    switch (kind) {
        case 't': put_text(out, value.at, value.length); return;
        case 'j': put(out, value.at, (size_t)value.length); return;
        case 'i': put_integer(out, integer_of(value)); return;
        case 'b':
            if (value.at[0]) PUT(out, "true");
            else PUT(out, "false");
            return;
        case 'd': end = date_text(text, (int32_t)be32(value.at)); break;
        case 'z': end = moment_text(text, (int64_t)be64(value.at)); break;
    }
    if (!end) {
        out->failed = 1;
        return;
    }
    put_byte(out, '"');
    put(out, text, (size_t)(end - text));
    put_byte(out, '"');
}

static void put_feature(Buffer *out, const Shape *shape, const Libpq *pq, const void *result, int row, Digits as) {
    int first = 1;
    Value id = value_of(pq, result, row, shape->id);
    if (!fits('I', id.length)) {
        out->failed = 1;
        return;
    }
    PUT(out, "{\"type\":\"Feature\",\"id\":");
    put_integer(out, integer_of(id));
    PUT(out, ",\"geometry\":");
    Value place = shape->geometry < 0 ? (Value){NULL, -1} : value_of(pq, result, row, shape->geometry);
    if (place.length < 0) {
        PUT(out, "null");
    } else {
        Ewkb in = {place.at, place.at + place.length, 2, 0, 0};
        put_geometry(out, &in, as, 0);
        out->failed |= in.failed;
    }
    PUT(out, ",\"properties\":{");
    for (int i = 0; i < shape->count && !out->failed; i++) {
        char kind = shape->kinds[i];
        if (kind == 'I' || kind == 'G' || kind == '-') continue;
        Value value = value_of(pq, result, row, i);
        if (value.length >= 0 && !fits(kind, value.length)) out->failed = 1;
        if (!first) put_byte(out, ',');
        first = 0;
        put(out, shape->key[i], (size_t)shape->key_length[i]);
        put_value(out, kind, value);
    }
    PUT(out, "}}");
}

static void turn_round(Buffer *out, const size_t *ends, int count) { /* the features, last one first */
    char *turned = malloc(out->length ? out->length : 1), *at = turned;
    if (!turned) {
        out->failed = 1;
        return;
    }
    for (int i = count - 1; i >= 0; i--) {
        size_t start = i ? ends[i - 1] + 1 : 0;
        memcpy(at, out->bytes + start, ends[i] - start);
        at += ends[i] - start;
        if (i) *at++ = ',';
    }
    free(out->bytes);
    out->bytes = turned;
}

/* Features of the first rows of a result, joined by commas: at most `rows` of them, and not more than `most` bytes
 * unless it is one. Their bytes (to be freed with encoder_free), or NULL when SQL has to do it. */
char *encoder_geojson(const void *result, const Libpq *pq, const char *kinds, const char *keys, int rows, int decimals,
                      int swap, int backward, size_t most, size_t *length, int *kept) {
    Shape shape;
    Digits as = {decimals, swap};
    Buffer out = {0};
    int there = pq->ntuples(result), count = 0;
    size_t plain = 0;
    if (rows > there) rows = there;
    if (decimals < 0 || decimals > 9 || !shape_of(&shape, kinds, keys) || pq->nfields(result) < shape.count) return NULL;
    size_t *ends = malloc(sizeof(size_t) * (size_t)(rows ? rows : 1));
    if (!ends || !reserve(&out, (size_t)rows * 256 + 64)) out.failed = 1;
    for (int row = 0; row < rows && !out.failed; row++) {
        size_t before = out.length;
        if (row) put_byte(&out, ',');
        size_t start = out.length;
        put_feature(&out, &shape, pq, result, row, as);
        plain += out.length - start;
        if (row && plain > most) {
            out.length = before;
            break;
        }
        if (!out.failed) ends[count++] = out.length;
    }
    if (backward && !out.failed) turn_round(&out, ends, count);
    free(ends);
    if (out.failed) {
        free(out.bytes);
        return NULL;
    }
    *length = out.length;
    *kept = count;
    return out.bytes;
}

void encoder_free(void *bytes) { free(bytes); }

/* Rises with every change of what a caller gives or gets: a library built of older source is not called. */
int encoder_version(void) { return 2; }

/* ---- vector tiles (Mapbox Vector Tile 2.1) ---- */

enum { EXTENT = 4096 };

static inline void put_varint(Buffer *out, uint64_t value) {
    if (!reserve(out, 10)) return;
    while (value >= 128) {
        out->bytes[out->length++] = (char)(value | 128);
        value >>= 7;
    }
    out->bytes[out->length++] = (char)value;
}

static inline int varint_length(uint64_t value) {
    int length = 1;
    while (value >= 128) value >>= 7, length++;
    return length;
}

static inline uint64_t zigzag(int64_t value) { return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63); }

static void put_bytes_field(Buffer *out, int field, const void *bytes, size_t length) {
    put_varint(out, (uint64_t)field << 3 | 2);
    put_varint(out, length);
    put(out, bytes, length);
}

typedef struct {
    double x, y;
} Point;

typedef struct {
    Point *at;
    size_t count, room;
    int failed;
} Points;

static inline void add(Points *points, Point point) {
    if (points->count == points->room) {
        size_t room = points->room * 2 + 64;
        Point *at = realloc(points->at, room * sizeof(Point));
        if (!at) {
            points->failed = 1;
            return;
        }
        points->at = at;
        points->room = room;
    }
    points->at[points->count++] = point;
}

typedef struct {
    uint64_t hash;
    uint32_t place, length; /* of the encoded value in `values`; length 0: free */
    uint32_t number;
} Slot;

typedef struct {
    double scale, left, top, low, high; /* low, high: the clipping box, in units of the tile */
    double grid;                        /* places are rounded to multiples of this many units: 1 for the whole truth */
    int mercator, cells;                /* of a grid that is coarser: how many there are across the tile */
    char *taken;                        /* cells that have a feature which is no larger than one */
    Buffer features, values, geometry, tags, scratch;
    Points ring, clipped;
    Slot *slots;
    size_t slot_count;
    uint32_t value_count;
    int64_t cursor_x, cursor_y;
    int failed;
} Tile;

static const double EDGE = 20037508.342789244;

static inline Point placed(const Tile *tile, double x, double y) {
    if (tile->mercator) return (Point){(x + EDGE) * tile->scale - tile->left, (EDGE - y) * tile->scale - tile->top};
    double sine = sin(y * (M_PI / 180));
    if (sine > 0.99999999999) sine = 0.99999999999;
    if (sine < -0.99999999999) sine = -0.99999999999;
    double down = 0.5 - log((1 + sine) / (1 - sine)) * (0.25 / M_PI);
    return (Point){(x + 180) * (1 / 360.0) * tile->scale - tile->left, down * tile->scale - tile->top};
}

static const double FARTHEST = 1e9;
/* Nothing on earth is farther out, in degrees or in metres; sums of what is nearer are exact enough. */

static int is_near(const double place[3]) { return fabs(place[0]) <= FARTHEST && fabs(place[1]) <= FARTHEST; }

static void take_ring(Tile *tile, Ewkb *in, int closed) {
    double place[3];
    tile->ring.count = 0;
    for (uint32_t left = take_points(in); left; left--) {
        take_place(in, place);
        if (!is_near(place)) {
            in->failed = 1;
            tile->ring.count = 0;
            return;
        }
        if (!(closed && left == 1)) add(&tile->ring, placed(tile, place[0], place[1]));
    }
}

static void put_command(Tile *tile, uint32_t command, uint32_t count) {
    put_varint(&tile->geometry, command | (uint64_t)count << 3);
}

static void put_step(Tile *tile, int64_t x, int64_t y) {
    put_varint(&tile->geometry, zigzag(x - tile->cursor_x));
    put_varint(&tile->geometry, zigzag(y - tile->cursor_y));
    tile->cursor_x = x;
    tile->cursor_y = y;
}

/* Rounds to the grid, and leaves out what tells nothing: points that repeat, and points on a straight way. */
static void to_grid(Points *points, int closed, double grid) {
    size_t kept = 0;
    for (size_t i = 0; i < points->count; i++) {
        Point p = {rint(points->at[i].x / grid) * grid, rint(points->at[i].y / grid) * grid};
        if (kept && p.x == points->at[kept - 1].x && p.y == points->at[kept - 1].y) continue;
        if (kept > 1) {
            Point a = points->at[kept - 2], b = points->at[kept - 1];
            double ux = b.x - a.x, uy = b.y - a.y, vx = p.x - b.x, vy = p.y - b.y;
            if (ux * vy == uy * vx && ux * vx + uy * vy > 0) kept--;
        }
        points->at[kept++] = p;
    }
    while (closed && kept > 1 && points->at[0].x == points->at[kept - 1].x && points->at[0].y == points->at[kept - 1].y)
        kept--;
    points->count = kept;
}

static int64_t whole(double value) { return (int64_t)value; }

static int put_line(Tile *tile, Points *points) {
    to_grid(points, 0, tile->grid);
    if (points->count < 2) return 0;
    put_command(tile, 1, 1);
    put_step(tile, whole(points->at[0].x), whole(points->at[0].y));
    put_command(tile, 2, (uint32_t)points->count - 1);
    for (size_t i = 1; i < points->count; i++) put_step(tile, whole(points->at[i].x), whole(points->at[i].y));
    return 1;
}

/* Part of a segment inside the clipping box (Liang and Barsky 1984); whether there is any. */
static int clip_segment(const Tile *tile, Point *a, Point *b) {
    double dx = b->x - a->x, dy = b->y - a->y, enters = 0, leaves = 1;
    double p[4] = {-dx, dx, -dy, dy};
    double q[4] = {a->x - tile->low, tile->high - a->x, a->y - tile->low, tile->high - a->y};
    for (int i = 0; i < 4; i++) {
        if (p[i] == 0) {
            if (q[i] < 0) return 0;
            continue;
        }
        double at = q[i] / p[i];
        if (p[i] < 0) enters = at > enters ? at : enters;
        else leaves = at < leaves ? at : leaves;
    }
    if (enters > leaves) return 0;
    Point start = *a;
    if (enters > 0) *a = (Point){start.x + enters * dx, start.y + enters * dy};
    if (leaves < 1) *b = (Point){start.x + leaves * dx, start.y + leaves * dy};
    return 1;
}

static int put_clipped_line(Tile *tile) {
    int put_any = 0;
    const Points *way = &tile->ring;
    Points *part = &tile->clipped;
    part->count = 0;
    for (size_t i = 1; i < way->count; i++) {
        Point a = way->at[i - 1], b = way->at[i];
        int inside = clip_segment(tile, &a, &b);
        if (inside && (!part->count || part->at[part->count - 1].x != a.x || part->at[part->count - 1].y != a.y)) {
            if (part->count) put_any |= put_line(tile, part);
            part->count = 0;
            add(part, a);
        }
        if (inside) add(part, b);
    }
    if (part->count) put_any |= put_line(tile, part);
    return put_any;
}

/* One edge of the clipping box against a ring (Sutherland and Hodgman 1974). side: 0 left, 1 right, 2 top, 3 bottom. */
static void clip_ring(const Tile *tile, const Points *from, Points *to, int side) {
    double edge = side & 1 ? tile->high : tile->low, sign = side & 1 ? -1 : 1;
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        Point a = from->at[i ? i - 1 : from->count - 1], b = from->at[i];
        double ka = sign * ((side < 2 ? a.x : a.y) - edge), kb = sign * ((side < 2 ? b.x : b.y) - edge);
        if ((ka < 0) != (kb < 0)) {
            double t = ka / (ka - kb);
            Point cut = {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
            if (side < 2) cut.x = edge;
            else cut.y = edge;
            add(to, cut);
        }
        if (kb >= 0) add(to, b);
    }
}

static int outside_box(const Tile *tile, const Points *ring) { /* 0: all inside; 1: to be clipped; 2: nothing inside */
    double west = INFINITY, east = -INFINITY, north = INFINITY, south = -INFINITY;
    for (size_t i = 0; i < ring->count; i++) {
        Point p = ring->at[i];
        west = p.x < west ? p.x : west;
        east = p.x > east ? p.x : east;
        north = p.y < north ? p.y : north;
        south = p.y > south ? p.y : south;
    }
    if (east < tile->low || west > tile->high || south < tile->low || north > tile->high) return 2;
    return west < tile->low || east > tile->high || north < tile->low || south > tile->high;
}

static double doubled_area(const Points *ring) {
    double area = 0;
    for (size_t i = 0; i < ring->count; i++) {
        Point a = ring->at[i ? i - 1 : ring->count - 1], b = ring->at[i];
        area += a.x * b.y - b.x * a.y;
    }
    return area;
}

static int put_ring(Tile *tile, int exterior) {
    int where = outside_box(tile, &tile->ring);
    if (where == 2) return 0;
    if (where == 1)
        for (int side = 0; side < 4; side++) {
            clip_ring(tile, &tile->ring, &tile->clipped, side);
            Points other = tile->ring;
            tile->ring = tile->clipped;
            tile->clipped = other;
        }
    Points *ring = &tile->ring;
    to_grid(ring, 1, tile->grid);
    double area = ring->count > 2 ? doubled_area(ring) : 0;
    if (area == 0) return 0;
    int turn = (area > 0) != exterior;
    size_t last = ring->count - 1;
    put_command(tile, 1, 1);
    put_step(tile, whole(ring->at[turn ? last : 0].x), whole(ring->at[turn ? last : 0].y));
    put_command(tile, 2, (uint32_t)last);
    for (size_t i = 1; i <= last; i++) {
        Point p = ring->at[turn ? last - i : i];
        put_step(tile, whole(p.x), whole(p.y));
    }
    put_command(tile, 7, 1);
    return 1;
}

/* Whether something small at this place may stand: on a coarse grid, the first in its cell, and nothing after it. */
static int has_room(Tile *tile, double x, double y) {
    if (!tile->taken) return 1;
    int column = (int)((x - tile->low) / tile->grid), row = (int)((y - tile->low) / tile->grid);
    if (column < 0 || row < 0 || column >= tile->cells || row >= tile->cells) return 1;
    char *cell = tile->taken + (size_t)row * (size_t)tile->cells + (size_t)column;
    return *cell ? 0 : (*cell = 1);
}

/* Whether what stands in `ring` is larger than a cell, or the first of its cell. */
static int is_seen(Tile *tile) {
    if (!tile->taken || !tile->ring.count) return 1;
    double west = INFINITY, east = -INFINITY, north = INFINITY, south = -INFINITY;
    for (size_t i = 0; i < tile->ring.count; i++) {
        Point p = tile->ring.at[i];
        west = p.x < west ? p.x : west;
        east = p.x > east ? p.x : east;
        north = p.y < north ? p.y : north;
        south = p.y > south ? p.y : south;
    }
    return east - west >= tile->grid || south - north >= tile->grid || has_room(tile, west, north);
}

/* Writes the commands of a geometry; 1 point, 2 line, 3 polygon, 0 when nothing of it is in the tile. */
static int put_shape(Tile *tile, Ewkb *in, uint32_t type) {
    int any = 0;
    if (type >= 4) {
        for (uint32_t left = take32(in); left && !in->failed; left--) {
            if (take_head(in) != type - 3) in->failed = 1;
            else if (put_shape(tile, in, type - 3)) any = 1;
        }
    } else if (type == 3) {
        uint32_t rings = take32(in);
        int outer = 0;
        for (uint32_t i = 0; i < rings && !in->failed; i++) {
            take_ring(tile, in, 1);
            if (i == 0) any = outer = is_seen(tile) && put_ring(tile, 1);
            else if (outer) put_ring(tile, 0);
        }
    } else if (type == 2) {
        take_ring(tile, in, 0);
        int where = is_seen(tile) ? outside_box(tile, &tile->ring) : 2;
        any = where == 2 ? 0 : where == 1 ? put_clipped_line(tile) : put_line(tile, &tile->ring);
    }
    return any ? (int)(type > 3 ? type - 3 : type) : 0;
}

/* Points of a tile: one MoveTo for all of them. */
static int put_points(Tile *tile, Ewkb *in, uint32_t type) {
    uint32_t count = type == 4 ? take32(in) : 1;
    tile->clipped.count = 0;
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        double place[3];
        if (type == 4 && take_head(in) != 1) in->failed = 1;
        if (in->failed || in->end - in->at < 8 * in->dimensions) {
            in->failed = 1;
            return 0;
        }
        take_place(in, place);
        if (!is_near(place)) {
            in->failed = 1;
            return 0;
        }
        Point p = placed(tile, place[0], place[1]);
        p = (Point){rint(p.x), rint(p.y)};
        int inside = p.x >= tile->low && p.x <= tile->high && p.y >= tile->low && p.y <= tile->high;
        if (inside && has_room(tile, p.x, p.y)) add(&tile->clipped, p);
    }
    if (!tile->clipped.count) return 0;
    put_command(tile, 1, (uint32_t)tile->clipped.count);
    for (size_t i = 0; i < tile->clipped.count; i++)
        put_step(tile, whole(tile->clipped.at[i].x), whole(tile->clipped.at[i].y));
    return 1;
}

static uint64_t hash_of(const char *bytes, size_t length) {
    uint64_t hash = 0x9E3779B97F4A7C15u ^ length, word;
    for (; length >= 8; length -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, bytes, length);
    hash = (hash ^ word) * 0xc4ceb9fe1a85ec53u;
    return hash ^ hash >> 29;
}

static int grow_slots(Tile *tile) {
    size_t count = tile->slot_count ? tile->slot_count * 4 : 1024;
    Slot *slots = calloc(count, sizeof(Slot));
    if (!slots) return 0;
    for (size_t i = 0; i < tile->slot_count; i++) {
        if (!tile->slots[i].length) continue;
        size_t at = tile->slots[i].hash & (count - 1);
        while (slots[at].length) at = (at + 1) & (count - 1);
        slots[at] = tile->slots[i];
    }
    free(tile->slots);
    tile->slots = slots;
    tile->slot_count = count;
    return 1;
}

/* The number of the value in `scratch` among the values of the tile. */
static uint32_t numbered(Tile *tile) {
    const Buffer *value = &tile->scratch;
    if (tile->value_count * 2 >= tile->slot_count && !grow_slots(tile)) {
        tile->failed = 1;
        return 0;
    }
    uint64_t hash = hash_of(value->bytes, value->length);
    for (size_t at = hash & (tile->slot_count - 1);; at = (at + 1) & (tile->slot_count - 1)) {
        Slot *slot = tile->slots + at;
        if (!slot->length) {
            put_varint(&tile->values, 4 << 3 | 2);
            put_varint(&tile->values, value->length);
            *slot = (Slot){hash, (uint32_t)tile->values.length, (uint32_t)value->length, tile->value_count++};
            put(&tile->values, value->bytes, value->length);
            return slot->number;
        }
        if (slot->hash == hash && slot->length == value->length &&
            !memcmp(tile->values.bytes + slot->place, value->bytes, value->length))
            return slot->number;
    }
}

static void put_tile_value(Tile *tile, char kind, Value value) {
    Buffer *out = &tile->scratch;
    char text[40], *end = NULL;
    out->length = 0;
    switch (kind) {
        case 't': put_bytes_field(out, 1, value.at, (size_t)value.length); return;
        case 'i':
            put_varint(out, 6 << 3);
            put_varint(out, zigzag(integer_of(value)));
            return;
        case 'b':
            put_varint(out, 7 << 3);
            put_varint(out, value.at[0] != 0);
            return;
        case 'f': {
            uint64_t bits = be64(value.at);
            put_varint(out, 3 << 3 | 1);
            put(out, &bits, 8);
            return;
        }
        case 'd': end = date_text(text, (int32_t)be32(value.at)); break;
        case 'z': end = moment_text(text, (int64_t)be64(value.at)); break;
    }
    if (end) put_bytes_field(out, 1, text, (size_t)(end - text));
    else tile->failed = 1;
}

static void put_tags(Tile *tile, const Shape *shape, const Libpq *pq, const void *result, int row) {
    uint64_t key = 0;
    tile->tags.length = 0;
    for (int i = 0; i < shape->count; i++) {
        char kind = shape->kinds[i];
        if (kind == 'I' || kind == 'G' || kind == '-') continue;
        Value value = value_of(pq, result, row, i);
        if (value.length >= 0 && !fits(kind, value.length)) tile->failed = 1;
        if (value.length >= 0 && !tile->failed) {
            put_tile_value(tile, kind, value);
            put_varint(&tile->tags, key);
            put_varint(&tile->tags, numbered(tile));
        }
        key++;
    }
}

static void put_tile_feature(Tile *tile, const Shape *shape, const Libpq *pq, const void *result, int row) {
    Value id = value_of(pq, result, row, shape->id), place = value_of(pq, result, row, shape->geometry);
    if (place.length < 0) return;
    if (!fits('I', id.length)) {
        tile->failed = 1;
        return;
    }
    Ewkb in = {place.at, place.at + place.length, 2, 0, 0};
    tile->geometry.length = 0;
    tile->cursor_x = tile->cursor_y = 0;
    uint32_t type = take_head(&in);
    if (!type || type == 7) {
        tile->failed = 1;
        return;
    }
    int kind = type == 1 || type == 4 ? put_points(tile, &in, type) : put_shape(tile, &in, type);
    tile->failed |= in.failed;
    if (!kind || tile->failed) return;
    put_tags(tile, shape, pq, result, row);
    int64_t number = integer_of(id);
    size_t tags = tile->tags.length, geometry = tile->geometry.length;
    size_t size = (number >= 0 ? 1 + (size_t)varint_length((uint64_t)number) : 0) + 2 + 1 +
                  (size_t)varint_length(geometry) + geometry + (tags ? 1 + (size_t)varint_length(tags) + tags : 0);
    Buffer *out = &tile->features;
    put_varint(out, 2 << 3 | 2);
    put_varint(out, size);
    if (number >= 0) {
        put_varint(out, 1 << 3);
        put_varint(out, (uint64_t)number);
    }
    if (tags) put_bytes_field(out, 2, tile->tags.bytes, tags);
    put_varint(out, 3 << 3);
    put_varint(out, (uint64_t)kind);
    put_bytes_field(out, 4, tile->geometry.bytes, geometry);
}

static void put_layer(Buffer *out, const Tile *tile, const Shape *shape, const char *name) {
    Buffer layer = {0};
    reserve(&layer, tile->features.length + tile->values.length + 1024);
    put_varint(&layer, 15 << 3);
    put_varint(&layer, 2);
    put_bytes_field(&layer, 1, name, strlen(name));
    put(&layer, tile->features.bytes, tile->features.length);
    for (int i = 0; i < shape->count; i++)
        if (!strchr("IG-", shape->kinds[i])) put_bytes_field(&layer, 3, shape->key[i], (size_t)shape->key_length[i]);
    put(&layer, tile->values.bytes, tile->values.length);
    put_varint(&layer, 5 << 3);
    put_varint(&layer, EXTENT);
    put_bytes_field(out, 3, layer.bytes, layer.length);
    out->failed |= layer.failed;
    free(layer.bytes);
}

/* One layer of a tile out of the rows of a result, its geometries in degrees or in EPSG:3857. grid: 1, or more for a
 * thinned tile: shapes on a coarser grid, one small thing in each cell of it. most: bytes at which features end. Its bytes (none when
 * nothing is in the tile; to be freed with encoder_free), or NULL when SQL has to do it. */
char *encoder_tile(const void *result, const Libpq *pq, const char *kinds, const char *keys, const char *name, int z,
                   int x, int y, int buffer, int mercator, int grid, size_t most, size_t *length) {
    Shape shape;
    if (grid < 1 || grid > EXTENT || !shape_of(&shape, kinds, keys) || shape.geometry < 0 || pq->nfields(result) < shape.count) return NULL;
    double side = ldexp(1, z) * EXTENT;
    Tile tile = {.scale = mercator ? side / (2 * EDGE) : side, .left = (double)x * EXTENT, .top = (double)y * EXTENT,
                 .low = -buffer, .high = EXTENT + buffer, .mercator = mercator, .grid = grid};
    if (grid > 1) {
        tile.cells = (EXTENT + 2 * buffer) / grid + 1;
        tile.taken = calloc((size_t)tile.cells, (size_t)tile.cells);
        tile.failed = !tile.taken;
    }
    int rows = pq->ntuples(result);
    for (int row = 0; row < rows && !tile.failed && tile.features.length + tile.values.length < most; row++) {
        put_tile_feature(&tile, &shape, pq, result, row);
        tile.failed |= tile.features.failed | tile.values.failed | tile.geometry.failed | tile.tags.failed |
                       tile.scratch.failed | tile.ring.failed | tile.clipped.failed;
    }
    Buffer out = {0};
    reserve(&out, 1);
    if (!tile.failed && tile.features.length) put_layer(&out, &tile, &shape, name);
    free(tile.features.bytes), free(tile.values.bytes), free(tile.geometry.bytes), free(tile.tags.bytes);
    free(tile.scratch.bytes), free(tile.ring.at), free(tile.clipped.at), free(tile.slots), free(tile.taken);
    if (tile.failed || out.failed) {
        free(out.bytes);
        return NULL;
    }
    *length = out.length;
    return out.bytes;
}
