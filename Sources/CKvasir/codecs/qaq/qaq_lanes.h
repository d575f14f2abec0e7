// Planes where bits do not select lanes by themselves: every lane looks at its own bit.
static inline __attribute__((always_inline)) kv_f32x16 add_where(kv_f32x16 lanes, uint16_t bits, float step) {
    const kv_i32x16 own = {1,    1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                           1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
    const kv_i32x16 set = (((int32_t)bits - (kv_i32x16){0}) & own) == own;
    return lanes + (kv_f32x16)((kv_i32x16)kv_broadcast(step) & set);
}
