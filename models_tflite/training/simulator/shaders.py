"""The programs that run on the graphics side. Material numbers are those of mesh.Material."""

SCENE_VERTEX = """
#version 330
uniform mat4 world_from_model;
uniform mat4 clip_from_world;
uniform mat4 sun_from_world;
uniform float mirror_y;      // only where MIRRORED: the plane in which what is drawn is mirrored
uniform float shell_cm;      // how far off the skin this layer of hair is; it hangs a little, as truth.outline says
in vec3 in_position; in vec3 in_normal; in vec4 in_colour; in vec3 in_kind;
out vec3 model_place; out vec3 model_normal; out vec3 place; out vec3 normal;
out vec4 colour; out vec3 kind; out vec3 sun_place;
void main() {
    float hair = shell_cm * (1.0 - in_colour.a);
    hair *= mix(1.0, 0.15, smoothstep(-4.0, 2.0, in_kind.z));         // short on the head
    hair *= mix(0.35, 1.0, smoothstep(10.0, 32.0, in_position.z));    // and on the legs
    vec3 tip = in_position + hair * (in_normal - vec3(0.25, 0.0, 0.45) * hair / (1.0 + hair));
    vec4 world = world_from_model * vec4(tip, 1.0);
    model_place = in_position; model_normal = in_normal;
    place = world.xyz; normal = mat3(world_from_model) * in_normal;
    colour = in_colour; kind = in_kind;
    vec4 sun = sun_from_world * world;
    sun_place = sun.xyz * 0.5 + 0.5;
    if (mirror_y != 0.0) world.y = 2.0 * mirror_y - world.y;
    gl_Position = clip_from_world * world;
}
"""

NOISE = """
uniform sampler3D noise_map;
vec4 noise(vec3 p) { return texture(noise_map, p / 64.0) * 2.0 - 1.0; }
float cloud(vec3 p) { return (noise(p).r + 0.5 * noise(p * 2.03 + 7.1).g + 0.25 * noise(p * 4.1 + 3.3).b) * 1.1; }
"""

# What a surface program is for: what is seen, the layers of hair over a coat, a coat's image in a mirror.
PLAIN, FUR, MIRRORED = range(3)

# Compiled once for each material: the software renderer runs both sides of every `if`.
SCENE_FRAGMENT = (
    """
#version 330
#define MATERIAL %MATERIAL%
#define KIND %KIND%
"""
    + NOISE
    + """
uniform vec3 eye; uniform vec3 sun_from; uniform vec3 sun_light; uniform vec3 sky_light; uniform vec3 ground_light;
uniform sampler2D shadow_map; uniform float shadow_step;
uniform vec3 coat_first; uniform vec3 coat_second;
uniform vec4 coat_form;      // edge noise, patch size cm, shine, hair
uniform vec4 coat_more;      // dirt, patch seed, has hair picture, height of the goat
uniform sampler2D hair_map;
uniform sampler2D board_map; // the sheet of a calibration board; its colour says where on it
uniform vec4 look;           // exposure, contrast, haze, -
uniform vec3 white;
uniform vec4 coat_marks;     // roan; spray: where along (x) and how high (z), cm, and its size, cm
uniform mat4 blob_from_world; // where the goat's trunk is the unit sphere
#if KIND == 1
uniform float shell_cut;     // share of the hair that ends below this layer
#elif KIND == 2
uniform float mirror_y; uniform vec3 mirror_reach; uniform mat4 clip_from_world;
#endif
in vec3 model_place; in vec3 model_normal; in vec3 place; in vec3 normal;
in vec4 colour; in vec3 kind; in vec3 sun_place;
out vec4 picture;

float lit_by_sun(vec3 n) {
    if (any(lessThan(sun_place, vec3(0.0))) || any(greaterThan(sun_place, vec3(1.0)))) return 1.0;
    float slope = clamp(1.0 - dot(n, sun_from), 0.0, 1.0);
    float bias = 0.0012 + 0.004 * slope;
    float lit = 0.0;
    for (int i = 0; i < 2; i++) for (int j = 0; j < 2; j++)
        lit += step(sun_place.z - bias, texture(shadow_map, sun_place.xy + (vec2(i, j) - 0.5) * shadow_step).r);
    return lit * 0.25;
}

vec3 hair_picture(vec3 p, vec3 n) {
    vec3 w = abs(n) + 0.01; w /= w.x + w.y + w.z;
    vec3 flank = texture(hair_map, p.xz / vec2(22.0, -22.0)).rgb;
    vec3 back = texture(hair_map, p.yx / 22.0).rgb;
    vec3 chest = texture(hair_map, p.yz / vec2(22.0, -22.0)).rgb;
    return 2.0 * (flank * w.y + back * w.z + chest * w.x);          // stored at half scale
}

vec3 coat(vec3 p, vec3 n, vec4 coarse, out float strand) {
    vec3 spot = p / coat_form.y * 6.0 + coat_more.y;
    vec4 large = noise(spot), small = noise(spot * 2.4 + 7.1);
    float patches = 1.1 * (large.r + 0.55 * small.g);
    float second = kind.y + (kind.y < -5.0 ? 0.0 : coat_form.x * patches * 2.2);
#if KIND == 2
    strand = 0.0;
#else
    vec3 q = p + 1.5 * coarse.rgb;
    strand = noise(q * vec3(2.0, 18.0, 6.0)).g;
    second += kind.y < -5.0 ? 0.0 : strand * 0.1;
#endif
    vec3 base = mix(coat_first, coat_second, smoothstep(-0.07, 0.07, second));
    float tone = 1.0 + coat_form.w * (0.26 * strand + 0.16 * coarse.g);
    base = mix(base, vec3(0.6, 0.57, 0.52), coat_marks.x * smoothstep(-0.3, 0.5, strand + 0.4 * small.b) * 0.7);
#if KIND != 2
    if (coat_more.z > 0.5) base *= mix(vec3(1.0), hair_picture(p + coat_more.y, n), 0.6);
#endif
    float low = smoothstep(0.45, 0.0, p.z / coat_more.w) + 0.5 * smoothstep(0.2, 0.7, coarse.a);
    base = mix(base, vec3(0.13, 0.085, 0.05), clamp(coat_more.x * low * 0.5, 0.0, 0.8));
    float away = length(vec2(p.x - coat_marks.y, (p.z - coat_marks.z) * 0.8 + p.y * 0.3));
    float sprayed = smoothstep(1.2, 0.3, away / max(coat_marks.w, 0.01) + 0.5 * strand) * step(0.01, coat_marks.w);
    base = mix(base, vec3(0.8, 0.03, 0.16), sprayed * 0.75);
    return base * tone;
}

vec3 flat_part(vec3 p, vec3 base, inout float shine) {
    float big = cloud(p * 0.35), fine = noise(p * 5.0).r;
#if MATERIAL == 2
    shine = 0.9; base *= 1.0 + 0.1 * fine;
    float worn = noise(p * 0.35).r + 0.35 * fine;
    base = mix(base, vec3(0.12, 0.07, 0.04), smoothstep(0.55, 0.75, worn) * 0.7);
#elif MATERIAL == 3
    shine = 0.22;
    float dirt = (0.9 + fine) * smoothstep(22.0, 0.0, p.z) * 0.35;
    dirt += smoothstep(0.6, 0.9, noise(p * 1.6).g) * 0.35;
    base = mix(base, vec3(0.22, 0.16, 0.1), clamp(dirt, 0.0, 0.75));
#elif MATERIAL == 4
    vec2 pitch = vec2(8.0, 2.6), gap = vec2(0.1, 0.22), cell = fract(p.xy / pitch), blur = fwidth(p.xy) / pitch;
    vec2 hole = smoothstep(gap - blur, gap + blur, cell) * smoothstep(gap - blur, gap + blur, 1.0 - cell);
    base = mix(base * (1.0 + 0.4 * fine), base * 0.1, hole.x * hole.y);
    base = mix(base, vec3(0.16, 0.11, 0.06), smoothstep(0.3, 0.8, big) * 0.35);
    shine = 0.2;
#elif MATERIAL == 5
    vec4 heaps = noise(p * 0.22);
    vec3 bent = p + 5.0 * heaps.rgb;
    float straw = noise(bent * vec3(7.0, 0.9, 3.0)).r + noise(bent.yxz * vec3(6.0, 0.8, 3.0) + 9.0).g;
    base *= 1.0 + 0.45 * heaps.a + 0.3 * straw;
    base = mix(base, vec3(0.5, 0.37, 0.19), smoothstep(0.3, 0.8, straw + 0.4 * heaps.r) * 0.8);
    base = mix(base, base * 0.25, smoothstep(0.25, 0.8, -straw) * 0.8);
#elif MATERIAL == 6
    base *= 1.0 + 0.5 * noise(p * vec3(0.35, 5.0, 5.0)).r + 0.2 * fine;
    base *= 0.55 + 0.45 * smoothstep(0.0, 0.05, fract(p.z / 14.0 + 0.02));
#elif MATERIAL == 7
    float rib = sin((p.x + p.y) * 0.45);
    base *= 0.85 + 0.25 * rib * abs(rib) + 0.1 * noise(p * 0.12).r; shine = 0.2;
#elif MATERIAL == 8
    base *= 1.0 + 0.4 * fine + 0.2 * big;
    base = mix(base, vec3(0.2, 0.14, 0.09), smoothstep(0.2, 0.9, noise(p * 1.3).r + 0.5 * big) * 0.5);
#elif MATERIAL == 9
    base *= 1.0 + 0.3 * fine + 0.2 * noise(p * 1.7).g + 0.15 * big;
    base = mix(base, vec3(0.16, 0.11, 0.06), smoothstep(0.35, 0.8, noise(p * 2.3).r + 0.4 * fine) * 0.6);
#elif MATERIAL == 12
    base = mix(vec3(0.025), vec3(0.78, 0.78, 0.76), texture(board_map, base.rg).r); shine = 0.1;
#elif MATERIAL == 10
    shine = 0.5; base *= 1.0 + 0.4 * fine;
#endif
    return base;
}

void main() {
    vec3 n = normalize(normal); vec3 to_eye = normalize(eye - place);
    float shine = 0.05, strand = 0.0, wrap = 0.0;
    if (dot(n, to_eye) < 0.0 && MATERIAL > 0) n = -n;
#if MATERIAL == 0
#if KIND == 1
    // Hair shows at the outline; inside it the skin looks the same.
    if (dot(n, to_eye) > 0.6) discard;
    float tuft = noise(model_place * vec3(7.0, 9.0, 2.5)).r * 0.6;
    tuft += noise(model_place * vec3(19.0, 23.0, 6.0)).g * 0.5;
    if (tuft * 0.9 + 0.5 < shell_cut) discard;
#elif KIND == 2
    vec3 image = vec3(place.x, 2.0 * mirror_y - place.y, place.z);
    float share = (mirror_y - eye.y) / (image.y - eye.y);
    vec3 on_panel = mix(eye, image, share);
    if (share <= 0.0 || share >= 1.0 || abs(on_panel.x) > mirror_reach.x || on_panel.z < 1.5
        || on_panel.z > mirror_reach.y) discard;
    float across = abs(normalize(on_panel - eye).y);
    float mirrored = clamp(mirror_reach.z * (0.12 + 0.88 * pow(1.0 - across, 2.0)), 0.0, 0.9);
    vec4 depth = clip_from_world * vec4(on_panel, 1.0);
    // As near as the panel; a little farther the deeper the image, so that its own parts hide each other.
    gl_FragDepth = depth.z / depth.w * 0.5 + 0.5 + 1e-6 * length(image - on_panel);
#endif
    vec4 coarse = noise(model_place * 0.9);
    vec3 base = mix(coat(model_place, model_normal, coarse, strand), colour.rgb, colour.a);
    n = normalize(n + 0.22 * coat_form.w * strand * vec3(0.5, 0.3, 0.5) + 0.1 * coarse.gba);
    shine = coat_form.z; wrap = 0.15;
#else
    vec3 base = flat_part(place, colour.rgb, shine);
#endif
    vec3 light = mix(ground_light, sky_light, n.z * 0.5 + 0.5);
    light *= 0.55 + 0.45 * smoothstep(-5.0, 45.0, place.z);          // less sky deep in the crate
#if MATERIAL >= 4 && MATERIAL <= 9
    vec3 below = (blob_from_world * vec4(place, 1.0)).xyz;
    light *= 1.0 - 0.5 * smoothstep(1.6, 0.4, length(below.xy)) * smoothstep(-6.0, -1.5, below.z);
#endif
    float facing = max((dot(n, sun_from) + wrap) / (1.0 + wrap), 0.0), lit = lit_by_sun(n);
    vec3 result = max(base, 0.0) * (light + sun_light * facing * lit);
    vec3 half_way = normalize(sun_from + to_eye);
    float gloss = pow(max(dot(n, half_way), 0.0), MATERIAL == 0 ? 12.0 : 40.0) * shine * (MATERIAL == 0 ? 0.18 : 0.5);
    float rim = pow(1.0 - max(dot(n, to_eye), 0.0), 4.0) * shine;
    result += gloss * lit * sun_light + rim * sky_light * 0.35;
#if MATERIAL == 3
    vec3 from = (blob_from_world * vec4(place, 1.0)).xyz;
    vec3 towards = mat3(blob_from_world) * reflect(-to_eye, n);
    float nearest = length(from + towards * max(-dot(from, towards) / dot(towards, towards), 0.0));
    // The panel's gloss shows the goat beside it, blurred.
    result *= 1.0 - 0.5 * smoothstep(1.7, 0.55, nearest) * smoothstep(2.9, 1.5, length(from));
#endif
#if MATERIAL == 11
    result = colour.rgb;
#endif
    result = mix(result * look.x * white, vec3(0.6), look.z);
    result = 1.0 - exp(-result * 1.6);                                // film-like shoulder
    result = pow(clamp(result, 0.0, 1.0), vec3(1.0 / 2.2));
    picture = vec4(mix(vec3(0.5), result, look.y), 1.0);
#if KIND == 2
    picture.a = mirrored;
#endif
}
"""
)


def surface(material: int, kind: int) -> str:
    """The fragment program of a mesh.Material, for a PLAIN, FUR or MIRRORED surface."""
    return SCENE_FRAGMENT.replace("%MATERIAL%", str(material)).replace("%KIND%", str(kind))


GLASS_FRAGMENT = (
    """
#version 330
"""
    + NOISE
    + """
uniform float dust; uniform vec3 glow;
in vec3 place; out vec4 picture;
void main() {
    float haze = 0.35 + 0.5 * smoothstep(-0.1, 0.9, cloud(place * 0.22)) + 0.3 * smoothstep(25.0, 0.0, place.z);
    float scratch = smoothstep(0.55, 0.75, noise(place * vec3(0.6, 1.0, 14.0) + place.zxy * 0.8).r) * 0.35;
    float band = smoothstep(0.25, 0.6, noise(vec3(place.x * 0.25 + place.z * 0.06, 0.0, 11.0)).g) * 0.5;
    float cover = clamp(dust * 0.5 * (dust * haze + scratch) + dust * band * 0.35, 0.0, 0.5);
    picture = vec4(pow(glow, vec3(1.0 / 2.2)), cover);
}
"""
)

DEPTH_FRAGMENT = """
#version 330
void main() {}
"""

LABEL_FRAGMENT = """
#version 330
uniform float is_goat;
in vec3 kind; out vec4 picture;
void main() { picture = vec4(is_goat * (kind.z > 0.0 ? 2.0 : 1.0) / 255.0, 0.0, 0.0, 1.0); }
"""
