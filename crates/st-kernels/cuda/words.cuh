// The words by which a list's candidates are ordered, and how they become bins. See order.cuh.
#pragma once
#include "block.cuh"

// How many bits a number has.
template <typename T> DEVICE u32 bits_in(T x) { return x ? u32(sizeof(T) * 8) - leading_zeros(x) : 0; }
template <typename T> DEVICE u32 bin_shift(T range) {
    const u32 bits = bits_in(range);
    return bits > BINS_LOG ? bits - BINS_LOG : 0;
}
// A whole list's words, which are in order as candidates are: keys counted from the least, and below them as much of the column
// as there is room for. Where that is not all of it, words may be the same.
struct Words {
    Key least_key, most_word;
    u32 shift_key, shift_column;
};
DEVICE Words words_of(Key low, Key high, u32 n) {
    const u32 all = u32(sizeof(Key) * 8), used = bits_in(Key(high - low)), column_bits = bits_in(n - 1);
    Words w;
    w.least_key = low;
    w.shift_key = least(least(all - used, column_bits), all - 1);
    w.shift_column = column_bits - w.shift_key;
    w.most_word = (high - low) << w.shift_key | ((Key(1) << w.shift_key) - 1);
    return w;
}
DEVICE Key word_of(const Words& w, Key key, u32 column) {
    // Of columns of 32 bits all may be shifted out.
    return (key - w.least_key) << w.shift_key | u32(u64(column) >> w.shift_column);
}
DEVICE Key key_of_word(const Words& w, Key word) { return (word >> w.shift_key) + w.least_key; }

// How words become bins: of equal width. Another way must not give a greater word a lesser bin.
#if WIDTH == 64
struct ByWords {
    u32 shift;
};
DEVICE void begin_by(ByWords& by, const Words& w, Key) { by.shift = bin_shift(w.most_word); }
DEVICE u32 bin_by(const ByWords& by, Key word) { return u32(word >> by.shift); }
#else
// By a factor, so that all bins but the last are used.
struct ByWords {
    u32 left, factor;
};
DEVICE void begin_by(ByWords& by, const Words& w, Key) {
    by.left = leading_zeros(w.most_word | 1);
    // One less than would be exact, so that rounding reaches no bin too many.
    by.factor = u32(float(BINS) * 4294967296.0f / float(w.most_word << by.left | 0x80000000u)) - 1;
}
DEVICE u32 bin_by(const ByWords& by, Key word) { return u32(u64(word << by.left) * by.factor >> 32); }
#endif
#if WIDTH == 32
// Floats whose keys lie far apart, as on both sides of zero, by numbers: most of those keys tell how small a number is, so that
// few bins of equal width over keys would have nearly all. Other lists by words.
struct ByNumbers {
    const Problem& p;
    Words words;
    ByWords others;
    float low, scale;
};
DEVICE float number(const ByNumbers& by, Key key) { return as_float(bits_of(by.p.map, key)); }
// By the words, and the last key.
DEVICE void begin_by(ByNumbers& by, const Words& w, Key last) {
    by.words = w;
    begin_by(by.others, w, last);
    by.low = number(by, w.least_key);
    const float way = fabsf(number(by, last) - by.low), most_float = as_float(0x7f7fffff);
    by.scale = float(BINS) / way;
    // Not if an end is no number, or is infinite.
    const bool far = (by.p.quick & QUICK) && (last - w.least_key) >> 24 != 0 && way <= most_float && by.scale <= most_float;
    if (!far) by.scale = 0;
}
DEVICE u32 bin_by(const ByNumbers& by, Key word) {
    if (by.scale == 0) return bin_by(by.others, word);
    return least(u32(fabsf(number(by, key_of_word(by.words, word)) - by.low) * by.scale), u32(BINS - 1));
}
DEVICE ByNumbers by_numbers(const Problem& p) { return {p, {}, {}, 0, 0}; }
#else
DEVICE ByWords by_numbers(const Problem&) { return {}; }
#endif
// A block's lists are on both sides of zero where they are of ranks in the middle.
#if defined(MODE) && MODE == 4
DEVICE auto by_usual(const Problem& p) { return by_numbers(p); }
#else
DEVICE ByWords by_usual(const Problem&) { return {}; }
#endif
