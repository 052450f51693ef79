/* SPDX-License-Identifier: MIT */
/*
 * Operators whose results another implementation gave: small random inputs,
 * the outputs of ONNX Runtime 1.30 on its CPU, where it keeps to the standard; what that lacks
 * (group norms and their like, g_idx) from a NumPy formula in double.
 */
#include <config.h>

#include "tests/lib/op_case.h"
#include "tests/runtime/one_op.h"
#include "tests/runtime/opened.h"
#include "tests/runtime/suites.h"

static const struct op_case cases[] = {
    {"Gemm", 13, "alpha=0.5 beta=2.0", "f64[2,2] 1 2 3 4; f64[2,2] 0.5 1 2 -1; f64[2] 10 20",
     "f64[2,2] 22.25 39.5 24.75 39.5"},
    {"BatchNormalization", 15, "epsilon=0.0",
     "f64[1,2,2] 1 2 3 4; f32[2] 2 1; f32[2] 0 1; f32[2] 1 3; f32[2] 0.25 1", "f64[1,2,2] 0 4 1 2"},
    {"BatchNormalization", 15, "epsilon=0.0 training_mode=1 momentum=0.5",
     "f32[2,1] 1 3; f16[1] 1; f16[1] 0; f64[1] 4; f64[1] 2", "f32[2,1] -1 1; f64[1] 3; f64[1] 1.5"},
    {"BatchNormalization", 7, "spatial=0 epsilon=0.0",
     "f32[2,1,2] 1 2 3 4; f32[1,2] 2 1; f32[1,2] 0 1; f32[1,2] 1 3; f32[1,2] 0.25 1",
     "f32[2,1,2] 0 0 8 2"},
    {"BatchNormalization", 7, "spatial=0",
     "f32[2,1,2] 1 2 3 4; f32[2] 2 1; f32[2] 0 1; f32[2] 1 3; f32[2] 1 1",
     "refused: shape of an item"},
    {"QuantizeLinear", 21, "block_size=9223372036854775807 axis=0",
     "f32[2] 1 2; f32[1] 0.5; u8[1] 1", "u8[2] 3 5"},
    {"QuantizeLinear", 23, "precision=11", "f32[2] 1 2; f32[] 0.5", "refused: precision 11"},
    {"QuantizeLinear", 23, "precision=1", "f16[2] 1 2; f16[] 0.5", "u8[2] 2 4"},
    {"MatMul", 13, "", "f32[3] 1 2 3; f32[3] 1 2 3; bool[3] 1 1 1", "refused: 3 inputs"},
    {"Cast", 13, "to=8", "!i32[2] 1 -20", "str[2] 1 -20"},
    {"ReduceLogSum", 13, "", "i32[1] 0", "i32[1] -2147483648"}, /* log 0 has no integer */
    {"ReduceLogSum", 13, "", "u64[2] 4 5", "u64[1] 2"},
    {"Conv", 11, "", "!f16[1,1,2] 1 2; !f16[1,1,1] 3", "f16[1,1,2] 3 6"}, /* widened, not folded */
    {"GridSample", 20, "mode='nearest' align_corners=1",
     "u8[1,1,2,2] 1 2 3 4; f32[1,1,2,2] -1 -1 1 1", "u8[1,1,1,2] 1 4"},
    {"GridSample", 20, "align_corners=1", "i32[1,1,1,2] 1 8; f16[1,1,1,2] 0 0", "i32[1,1,1,1] 4"},
    {"GridSample", 16, "mode='bicubic' padding_mode='border'",
     "f32[1,1,3,3] 0 1 2 3 4 5 6 7 8; f32[1,2,2,2] -1 -1 -0.9 0.8 0.2 1.2 1.1 0",
     "f32[1,1,2,2] -0.375 6.177097 7.461245 5.059718"},
    {"MelWeightMatrix", 17, "", "i64[] 3; i64[] 8; i64[] 8000; f32[] 0; f32[] 4000",
     "f32[5,3] 1 1 0 0 0 1 0 0 0 0 0 0 0 0 0"},
    {"MelWeightMatrix", 17, "output_datatype=11",
     "i32[] 2; i32[] 6; i32[] 8000; f32[] 100; f32[] 3000", "f64[4,2] 1 1 0 0 0 0 0 0"},
    {"RNN", 7,
     "hidden_size=1 direction='bidirectional' activations=['Relu','Affine'] "
     "activation_alpha=[0.5] activation_beta=[0.1]",
     "f32[2,1,1] 1 2; f32[2,1,1] 0.1 0.2; f32[2,1,1] 0.3 0.4",
     "f32[2,2,1,1] 0.1 0.26 0.23 0.3; f32[2,1,1] 0.23 0.26"}, /* Relu takes no alpha */
    {"RoiAlign", 16, "output_height=64 output_width=64 sampling_ratio=1024",
     "f32[1,1,1,1] 1; f32[1,4] 0 0 1 1; i64[1] 0", "refused: too many samples"},
    {"ml:Normalizer", 1, "norm='MAX'", "f32[2,2] -3 2 -5 -1", "f32[2,2] -1.5 1 5 1"},
    {"ml:CategoryMapper", 1, "cats_strings=['a','b'] cats_int64s=[3,4] default_int64=-7",
     "str[2] a q", "i64[2] 3 -7"},
    {"ml:CategoryMapper", 1, "cats_strings=['a','b'] cats_int64s=[3,4] default_string='no'",
     "i64[2] 4 5", "str[2] b no"},
    {"ml:LinearClassifier", 1,
     "coefficients=[1.0,-0.5] intercepts=[0.2] classlabels_ints=[0,1] post_transform='SOFTMAX'",
     "f32[2,2] 1.231 0.199 -1.341 -1.858",
     "i64[2] 1 0; f32[2,2] -0.3315001 1.3315 1.212 -0.2119999"},
    {"ml:LabelEncoder", 1, "classes_strings=['a','b'] default_string='no'", "i64[3] 1 5 -1",
     "str[3] b no no"},
    {"ml:SVMClassifier", 1,
     "kernel_type='LINEAR' kernel_params=[0.5,0.3,2.0] coefficients=[-1.695,1.12,-0.246,0.894] "
     "support_vectors=[1.912,0.154,0.004,-1.712,-0.926,-0.0,0.717,1.215] vectors_per_class=[2,2] "
     "rho=[-0.476] classlabels_ints=[7,8] post_transform='NONE'",
     "f32[2,2] 0.194 1.637 -1.467 0.094",
     "i64[2] 8 7; f32[2,2] 2.723338 -2.723338 -2.894547 2.894547"},
    {"ml:SVMClassifier", 1,
     "kernel_type='POLY' kernel_params=[0.5,0.3,2.0] coefficients=[1.002,0.676,-0.129,-1.181] "
     "support_vectors=[-0.037,-0.51,-0.09,-0.536,1.352,1.075,-0.744,0.291] vectors_per_class=[2,2] "
     "rho=[-0.896] classlabels_ints=[7,8] post_transform='NONE'",
     "f32[2,2] -0.311 -0.294 0.538 0.092",
     "i64[2] 8 8; f32[2,2] 0.8113029 -0.8113029 0.8629071 -0.8629071"},
    {"ml:SVMClassifier", 1,
     "kernel_type='RBF' kernel_params=[0.5,0.3,2.0] coefficients=[-0.34,-1.994,-1.631,0.838] "
     "support_vectors=[0.097,0.785,1.822,0.732,-1.787,-0.765,0.37,-1.06] vectors_per_class=[2,2] "
     "rho=[1.86] classlabels_ints=[7,8] post_transform='NONE'",
     "f32[2,2] -0.626 -0.702 -0.798 -1.338",
     "i64[2] 7 7; f32[2,2] -1.386684 1.386684 -1.387389 1.387389"},
    {"ml:SVMClassifier", 1,
     "kernel_type='SIGMOID' kernel_params=[0.5,0.3,2.0] coefficients=[-0.34,-0.208,1.1,1.186] "
     "support_vectors=[0.09,-0.157,1.113,1.549,0.7,1.202,1.756,-1.837] vectors_per_class=[2,2] "
     "rho=[1.503] classlabels_ints=[7,8] post_transform='NONE'",
     "f32[2,2] 0.399 0.913 1.285 1.042",
     "i64[2] 7 7; f32[2,2] -1.857355 1.857355 -2.702925 2.702925"},
    {"ml:SVMClassifier", 1,
     "kernel_type='RBF' kernel_params=[0.5,0.0,3.0] "
     "coefficients=[-1.971,-0.319,-0.147,-1.778,0.166,0.431,1.314,1.767] "
     "support_vectors=[-1.487,-1.078,0.637,-1.47,-1.104,0.299,-1.322,1.129] "
     "vectors_per_class=[2,1,1] rho=[1.428,-1.865,0.131] classlabels_strings=['x','y','z'] "
     "post_transform='NONE'",
     "f32[2,2] 1.188 1.901 -0.903 -1.324",
     "str[2] x y; f32[2,3] 1.423468 -1.920238 0.2135421 -0.319469 -1.67931 0.5558977"},
    {"ml:SVMClassifier", 1,
     "kernel_type='RBF' kernel_params=[0.5,0.0,3.0] "
     "coefficients=[-1.971,-0.319,-0.147,-1.778,0.166,0.431,1.314,1.767] "
     "support_vectors=[-1.487,-1.078,0.637,-1.47,-1.104,0.299,-1.322,1.129] "
     "vectors_per_class=[2,1,1] rho=[1.428,-1.865,0.131] classlabels_strings=['x','y','z'] "
     "post_transform='NONE' prob_a=[-1.0,-0.5,-2.0] prob_b=[0.1,0.0,-0.2]",
     "f32[2,2] 1.507 1.637 -1.21 -0.234",
     "str[2] x y; f32[2,3] 0.3303194 0.27374 0.3959406 0.2678541 0.6147033 0.1174426"},
    {"ml:SVMRegressor", 1,
     "kernel_type='LINEAR' kernel_params=[0.5,0.3,2.0] coefficients=[-0.192,1.725] "
     "support_vectors=[-1.9,0.402,1.801,-1.079] n_supports=2 rho=[0.3]",
     "f32[2,2] -1.736 -0.847 1.638 -1.146", "f32[2,1] -4.084692 8.207832"},
    {"ml:SVMRegressor", 1,
     "kernel_type='POLY' kernel_params=[0.5,0.3,2.0] coefficients=[-0.164,0.877] "
     "support_vectors=[-0.348,1.626,-1.278,0.964] n_supports=2 rho=[0.3]",
     "f32[2,2] -0.189 -0.588 0.63 -0.519", "f32[2,1] 0.3130902 0.4003195"},
    {"ml:SVMRegressor", 1,
     "kernel_type='RBF' kernel_params=[0.5,0.3,2.0] coefficients=[-1.476,-0.765] "
     "support_vectors=[-0.148,0.967,-0.057,-1.452] n_supports=2 rho=[0.3]",
     "f32[2,2] 1.78 1.394 -0.111 1.366", "f32[2,1] 0.08748598 -1.07654"},
    {"ml:SVMRegressor", 1,
     "kernel_type='SIGMOID' kernel_params=[0.5,0.3,2.0] coefficients=[-1.411,0.635] "
     "support_vectors=[-1.723,-0.572,1.251,-0.289] n_supports=2 rho=[0.3]",
     "f32[2,2] -0.894 -0.097 1.187 0.869", "f32[2,1] -0.9810929 1.817136"},
    {"MaxPool", 12, "kernel_shape=[2,2,1] storage_order=1",
     "f32[1,1,2,3,2] 2 3 4 10 1 6 0 7 11 9 8 5",
     "f32[1,1,1,2,2] 11 10 11 10; i64[1,1,1,2,2] 3 8 3 8"},
    {"MaxRoiPool", 12, "pooled_shape=[2,2]",
     "f32[1,1,5,5] 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24; f32[3,5] 0 0 "
     "0 3 4 0 1 1 1 1 0 -3 2 9 3",
     "f32[3,1,2,2] 11 13 21 23 6 6 6 6 13 14 18 19"},
    {"MaxRoiPool", 12, "pooled_shape=[1,2] spatial_scale=0.5",
     "f32[1,1,4,4] 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; f32[1,5] 0 0 0 7 7",
     "f32[1,1,1,2] 14 15"},
    {"ms:QAttention", 1, "num_heads=2 unidirectional=1",
     "u8[1,2,3] 175 196 25 246 67 211; !i8[3,12] 24 -24 -35 58 15 -104 -55 -38 -17 "
     "-85 91 9 40 103 -59 49 0 8 45 -127 -52 -72 123 -121 -108 61 -83 64 -58 -71 25 "
     "56 54 -15 124 62; !f32[12] 0.9 -0.539 0.097 0.818 -0.734 0.047 0.501 0.338 "
     "-0.064 -0.59 -0.018 -0.255; f32[] 0.01; !f32[] 0.015; -; u8[] 120; !i8[] 3",
     "f32[1,2,4] -1.58275 -1.9145 0.35175 -2.45985 0.5841774 -1.903209 2.340143 "
     "1.643963"},
    {"ms:QAttention", 1, "num_heads=2 unidirectional=0",
     "u8[1,2,3] 71 23 10 233 35 192; !i8[3,12] -66 8 24 -35 120 97 22 -27 36 98 -60 "
     "-4 92 98 -108 28 -123 -108 -94 -4 -97 58 102 -54 94 82 0 32 3 -44 51 19 -106 "
     "-8 -60 76; !f32[12] -0.17 -0.997 -0.815 0.419 0.049 0.392 0.911 0.366 -0.894 "
     "-0.382 0.185 -0.53; f32[] 0.01; !f32[12] 0.0196 0.0188 0.01494 0.0021 0.01466 "
     "0.01576 0.00866 0.00248 0.01068 0.00156 0.01552 0.00726; i32[1,2] 1 0; u8[] "
     "120; !i8[12] 0 0 0 0 0 0 0 0 0 0 0 0",
     "f32[1,2,4] 1.167774 -0.5309488 0.1300592 -0.7424276 1.167774 -0.5309488 "
     "0.1300592 -0.7424276"},
    {"ms:QAttention", 1, "num_heads=2 unidirectional=1",
     "u8[1,2,3] 234 239 197 100 180 233; !i8[3,12] 42 -98 -101 -63 125 63 87 99 -115 "
     "7 105 35 60 -21 -17 -11 114 -34 103 107 -110 -122 -48 -78 55 -51 -22 105 93 55 "
     "48 38 74 -40 22 -123; !f32[12] 0.317 -0.861 -0.286 0.626 -0.145 0.2 0.456 "
     "0.642 0.521 -0.986 -0.159 -0.074; f32[] 0.01; !f32[] 0.015; -; u8[] 120; !i8[] "
     "3; f32[2,1,2,1,2] -0.889 0.083 0.216 0.657 0.884 -0.744 -0.539 0.318",
     "f32[1,2,4] -2.692572 -3.644505 -0.5367596 0.3137077 -2.421296 -3.578005 "
     "0.8463649 -2.426636; f32[2,1,2,3,2] -0.889 0.083 4.96205 1.16615 2.0135 0.5684 "
     "0.216 0.657 4.19715 4.54425 1.86675 1.88325 0.884 -0.744 -2.6938 -3.6455 "
     "1.06145 -2.85185 -0.539 0.318 0.8942999 -2.42795 -0.60195 -3.0347"},
    {"ms:QEmbedLayerNormalization", 1, "epsilon=1e-05",
     "i32[2,3] 1 0 4 3 1 2; i32[2,3] 0 0 1 0 1 0; !u8[5,4] 146 9 201 13 85 171 1 31 "
     "142 208 48 153 241 238 161 213 211 255 82 64; !u8[3,4] 205 58 10 254 180 250 "
     "27 156 8 247 225 100; !u8[2,4] 217 172 254 179 54 42 92 7; !u8[4] 241 143 128 "
     "210; !u8[4] 231 236 176 192; i32[2,3] 1 1 0 1 0 0; !f32[] 0.02; !f32[] 0.01; "
     "!f32[] 0.015; !f32[] 0.005; !f32[] 0.003; !u8[] 120; !u8[] 100; !u8[] 130; "
     "!u8[] 10; !u8[] 50",
     "f32[2,3,4] 1.685022 0.9756572 -0.5784273 0.4302435 1.636273 0.05941772 "
     "0.9825466 -0.7954642 0.4693153 1.514369 0.3862449 -0.9623272 1.953736 "
     "0.1435342 -0.3796545 1.112001 0.9092892 1.548114 -0.2496823 -0.3161578 "
     "-0.573328 1.668703 0.2408848 -0.04531324; i32[2] 2 1"},
    {"ms:QEmbedLayerNormalization", 1, "epsilon=1e-05",
     "i32[2,3] 4 1 0 2 0 3; -; !u8[5,4] 5 149 144 233 11 106 160 40 36 69 156 107 93 "
     "49 61 110 234 180 240 223; !u8[3,4] 135 92 239 58 178 176 78 47 126 190 205 "
     "211; -; !u8[4] 105 77 24 67; !u8[4] 135 49 234 160; i32[2,3] 1 1 0 1 0 0; "
     "!f32[] 0.02; !f32[] 0.01; -; !f32[] 0.005; !f32[] 0.003; !u8[] 120; !u8[] 100; "
     "-; !u8[] 10; !u8[] 50",
     "f32[2,3,4] 0.4110922 -0.3891231 0.6546555 0.1468827 -0.06087217 0.3094516 "
     "0.6232372 -0.03633088 -0.5029624 0.06456875 0.567906 0.6625333 -0.1161102 "
     "-0.2089915 0.6715076 0.2413459 -0.4887701 0.2330159 0.5413031 0.619024 "
     "0.01588799 -0.3188109 0.5359829 0.8073546; i32[2] 2 1"},
    {"ms:MatMulBnb4", 1, "K=16 N=2 block_size=16 quant_type=1",
     "f32[1,16] 1.138 1.311 -1.503 0.017 -0.532 -1.644 -0.419 -1.703 -1.064 1.195 0.745 0.794 "
     "-1.683 -1.344 -1.914 -1.61; !u8[16] 178 188 233 35 96 114 25 169 212 186 51 5 182 124 255 "
     "163; !f32[2] 0.134 0.911",
     "f32[1,2] -0.2479851 -1.479466"},
    {"ms:MatMulBnb4", 1, "K=16 N=2 block_size=16 quant_type=0",
     "f32[1,16] 0.334 0.901 0.062 1.283 -1.547 0.415 1.958 -1.404 -0.02 0.521 -0.65 1.858 -0.058 "
     "-0.085 1.611 -1.936; !u8[16] 226 191 81 133 111 187 166 95 50 142 246 120 209 214 144 112; "
     "!f32[2] 1.825 1.668",
     "f32[1,2] -2.443076 4.531426"},
    {"ms:MoE", 1, "k=2 activation_type='relu' normalize_routing_weights=0",
     "f32[2,2] -0.874 1.231 -1.821 -1.967; f32[2,3] -0.554 -1.746 -1.402 -1.907 0.099 0.787; "
     "f32[3,2,2] -0.292 -1.462 -0.675 0.361 1.763 1.97 -1.034 -1.958 1.323 1.706 -0.166 1.086; "
     "f32[3,2] 1.465 0.438 1.491 -1.904 -0.914 -0.891; f32[3,2,2] -1.517 1.643 -1.878 0.69 -1.715 "
     "-0.557 -0.328 -1.274 0.084 0.14 -0.732 0.948; f32[3,2] -1.359 -1.23 -0.582 -0.486 -1.175 "
     "1.675",
     "f32[2,2] 0.342599 0.4237337 -1.617476 -0.6507148"},
    {"ms:MoE", 1, "k=2 activation_type='gelu' normalize_routing_weights=1",
     "f32[2,2] 1.312 -1.572 -0.522 -1.069; f32[2,3] -0.196 -0.895 0.007 1.69 -0.47 0.601; "
     "f32[3,2,2] 0.382 1.008 -1.753 0.979 1.785 0.414 -0.85 0.689 0.848 0.626 -1.412 1.894; "
     "f32[3,2] 1.822 -0.301 0.375 -1.841 1.955 1.275; f32[3,2,2] 0.546 1.044 -1.248 -0.769 -1.014 "
     "0.384 -1.632 1.582 -0.151 -0.221 -1.581 0.74; f32[3,2] 1.268 0.518 -1.032 1.142 -1.417 1.309",
     "f32[2,2] -0.240734 -1.145625 0.6116313 0.1703079"},
    {"ms:MoE", 1, "k=2 activation_type='silu' normalize_routing_weights=1",
     "f32[2,2] 0.323 -0.843 0.053 0.515; f32[2,3] -0.966 1.388 -0.315 1.569 1.342 -1.603; "
     "f32[3,2,2] 0.585 -0.758 1.016 0.171 -0.17 1.581 -1.771 0.229 -0.688 -1.859 1.014 0.247; "
     "f32[3,2] 1.577 0.393 -0.652 1.941 -1.537 -1.79; f32[3,2,2] 0.93 -0.517 -0.554 1.506 -0.691 "
     "1.556 0.576 -0.684 -1.762 -1.02 1.874 -0.379; f32[3,2] -1.36 -0.808 1.598 -1.34 1.111 -1.461",
     "f32[2,2] 2.908206 -2.002635 1.505171 -1.552665"},
    {"ms:MoE", 1, "k=2 activation_type='identity' normalize_routing_weights=0",
     "f32[2,2] 1.846 0.121 -1.827 1.724; f32[2,3] -0.567 0.926 0.095 -1.63 -1.576 -1.403; "
     "f32[3,2,2] -1.355 -1.789 -1.812 1.794 -1.635 0.033 -1.525 -1.141 1.052 1.753 -0.121 -1.977; "
     "f32[3,2] 1.997 -1.809 -0.442 0.156 1.567 1.292; f32[3,2,2] 0.438 -0.406 1.338 1.476 1.488 "
     "0.871 -1.609 -0.806 -0.056 0.02 1.331 -1.049; f32[3,2] 0.658 -0.503 1.102 -1.217 -0.093 "
     "-1.586",
     "f32[2,2] -3.975931 4.629383 1.750451 -0.4754087"},
    {"ms:MoE", 1,
     "k=1 activation_type='swiglu' swiglu_fusion=1 activation_alpha=1.5 activation_beta=1.0 "
     "swiglu_limit=1.0",
     "f32[2,2] -1.152 1.741 -0.736 1.572; f32[2,3] 0.097 -1.844 1.172 -1.792 1.308 -1.965; "
     "f32[3,4,2] 0.696 -1.337 -0.628 1.811 -0.055 0.63 0.963 -1.56 1.355 1.656 -1.378 0.185 -0.866 "
     "0.963 -1.887 0.05 1.171 0.939 -1.567 1.332 -1.049 1.231 -0.011 -1.357; f32[3,4] 0.936 1.232 "
     "0.796 1.859 -0.975 -1.057 -1.411 0.158 -0.402 -0.573 -0.159 -0.902; f32[3,2,2] -1.983 -0.113 "
     "-0.896 -0.201 1.716 -1.284 0.55 0.578 -0.875 -0.116 1.878 -0.63",
     "f32[2,2] 0.06677091 -0.1433094 -0.4214147 0.882445"},
    {"ms:QMoE", 1, "k=2 activation_type='swiglu' swiglu_fusion=1 expert_weight_bits=4",
     "f32[1,4] 0.849 1.361 -0.557 1.96; f32[1,2] 0.503 0.004; !u8[2,8,2] 209 4 89 221 75 101 254 "
     "223 58 3 158 205 197 248 231 62 0 234 108 120 79 188 245 100 44 141 96 116 55 250 224 182; "
     "!f32[2,8] 1.43 1.102 0.603 0.278 1.21 1.802 1.967 0.875 1.231 0.049 0.23 0.627 1.57 0.585 "
     "1.686 1.661; f32[2,8] 1.775 1.689 1.843 -1.805 1.664 -0.915 -0.717 -0.166 1.821 0.42 -0.589 "
     "-0.503 1.62 1.289 -1.45 -1.005; !u8[2,4,2] 229 2 47 85 22 73 222 86 119 181 87 171 52 10 136 "
     "75; !f32[2,4] 1.172 0.349 0.585 0.454 0.994 0.621 1.184 1.447; f32[2,4] 0.789 -0.356 0.802 "
     "0.079 0.105 -0.531 -0.047 1.942",
     "f32[1,4] 1077.212 151.8716 -71.13377 -52.4816"},
    {"Resize", 13, "mode='nearest'", "f32[1,1,1,6] 0 1 2 3 4 5; -; f32[4] 1 1 1 2.3",
     "f32[1,1,1,13] 0 0 1 1 1 2 2 3 3 4 4 4 5"},
    {"Resize", 10, "", "f32[1,1,2,4] 1 2 3 4 5 6 7 8; f32[4] 1 1 0.6 0.6", "f32[1,1,1,2] 1 3"},
    {"Resize", 10, "", "f32[1,1,1,3] 1 2 3; f32[4] 1 1 1 1.5", "f32[1,1,1,4] 1 1 2 3"},
    {"Shrink", 9, "bias=1.0 lambd=1.5", "i8[7] -3 -2 -1 0 1 2 3", "i8[7] -2 -1 0 0 0 1 2"},
    {"Shrink", 9, "bias=1.0 lambd=1.5", "u8[4] 0 1 2 3", "u8[4] 0 0 1 2"},
    {"Gemm", 13, "alpha=2.0", "i32[2,2] 1 2 3 4; i32[2,2] 1 1 2 -1", "i32[2,2] 10 -2 22 -2"},
    {"ml:SVMRegressor", 1, "coefficients=[1.0,-1.0] rho=[0.1] one_class=1", "f32[2,2] 1 0 0 1",
     "f32[2,1] 1 -1"},
    {"ms:DequantizeLinear", 1, "", "i16[2,3] -3 4 -2 4 0 -2; f32[] 0.5; i16[] 1",
     "f32[2,3] -2 1.5 -1.5 1.5 -0.5 -1.5"},
    {"ms:DequantizeLinear", 1, "axis=0", "u8[2,3] 4 9 6 3 3 7; f32[2] 0.5 0.25; u8[2] 1 2",
     "f32[2,3] 1.5 4 2.5 0.25 0.25 1.25"},
    {"ml:FeatureVectorizer", 1, "inputdimensions=[2,1]",
     "f32[2,2] 0.37 -1.06 1.86 1.78; f32[2,1] 1.394 -0.111",
     "f32[2,3] 0.37 -1.06 1.394 1.86 1.78 -0.111"},
    {"GlobalLpPool", 17, "p=3",
     "f32[1,2,2,3] 1.637 -1.467 0.094 1.002 0.676 -0.129 -1.181 -0.037 -0.51 -0.09 -0.536 1.352",
     "f32[1,2,1,1] 2.069382 1.639382"},
    {"GlobalMaxPool", 17, "",
     "f32[1,2,2,3] 1.075 -0.744 0.291 -0.896 -0.189 -0.588 0.63 -0.519 -0.164 0.877 -0.348 1.626",
     "f32[1,2,1,1] 1.075 1.626"},
    {"LayerNormalization", 14, "axis=-1 epsilon=0.01",
     "f32[2,4] -1.278 0.964 -0.311 -0.294 0.538 0.092 -0.34 -1.994; f32[4] -1.631 0.838 0.097 "
     "0.785; f32[4] 1.822 0.732 -1.787 -0.765",
     "f32[2,4] 3.953053 1.978903 -1.796824 -0.8278664 0.1880206 1.183117 -1.778331 -2.044179"},
    {"MatMulInteger", 10, "", "u8[2,3] 3 5 8 8 7 5; i8[3,2] 6 -10 -8 -1 4 -4; u8[] 2; i8[2] 1 -1",
     "i32[2,2] -4 -27 -6 -63"},
    {"ms:QuantizeLinear", 1, "axis=1",
     "f32[2,3] -0 14.34 24.3 -9.52 -34.72 -16.94; f32[3] 0.5 0.25 0.1; i8[3] 1 2 3",
     "i8[2,3] 1 59 127 -18 -128 -128"},
    {"ml:TreeEnsembleClassifier", 1,
     "nodes_treeids=[0,0,0,1,1,1] nodes_nodeids=[0,1,2,0,1,2] nodes_featureids=[0,0,0,1,0,0] "
     "nodes_values=[0.5,0.0,0.0,-1.0,0.0,0.0] "
     "nodes_modes=['BRANCH_LEQ','LEAF','LEAF','BRANCH_GT','LEAF','LEAF'] "
     "nodes_truenodeids=[1,0,0,1,0,0] nodes_falsenodeids=[2,0,0,2,0,0] class_treeids=[0,0,1,1] "
     "class_nodeids=[1,2,1,2] class_ids=[0,1,2,0] class_weights=[0.5,0.25,0.125,0.75] "
     "classlabels_int64s=[7,8,9] post_transform='SOFTMAX'",
     "f32[2,2] 0 0 1 -2",
     "i64[2] 7 7; f32[2,3] 0.435954 0.2644195 0.2996265 0.4810243 0.291756 0.2272198"},
    {"ml:TreeEnsembleClassifier", 1,
     "nodes_treeids=[0,0,0,1,1,1] nodes_nodeids=[0,1,2,0,1,2] nodes_featureids=[0,0,0,1,0,0] "
     "nodes_values=[0.5,0.0,0.0,-1.0,0.0,0.0] "
     "nodes_modes=['BRANCH_LEQ','LEAF','LEAF','BRANCH_GT','LEAF','LEAF'] "
     "nodes_truenodeids=[1,0,0,1,0,0] nodes_falsenodeids=[2,0,0,2,0,0] class_treeids=[0,0,1,1] "
     "class_nodeids=[1,2,1,2] class_ids=[0,0,0,0] class_weights=[0.5,0.25,0.125,0.75] "
     "classlabels_strings=['no','yes'] post_transform='NONE'",
     "f32[2,2] 0 0 1 -2", "str[2] yes yes; f32[2,2] 0.375 0.625 0 1"},
    {"ml:TreeEnsembleRegressor", 1,
     "nodes_treeids=[0,0,0,1,1,1] nodes_nodeids=[0,1,2,0,1,2] nodes_featureids=[0,0,0,1,0,0] "
     "nodes_values=[0.5,0.0,0.0,-1.0,0.0,0.0] "
     "nodes_modes=['BRANCH_LEQ','LEAF','LEAF','BRANCH_GT','LEAF','LEAF'] "
     "nodes_truenodeids=[1,0,0,1,0,0] nodes_falsenodeids=[2,0,0,2,0,0] target_treeids=[0,0,1,1] "
     "target_nodeids=[1,2,1,2] target_ids=[0,0,0,0] target_weights=[1.5,-2.0,0.25,4.0] n_targets=1 "
     "base_values=[0.5]",
     "f32[2,2] 0 0 1 -2", "f32[2,1] 2.25 2.5"},
    {"ml:TreeEnsembleRegressor", 1,
     "nodes_treeids=[0,0,0,1,1,1] nodes_nodeids=[0,1,2,0,1,2] nodes_featureids=[0,0,0,1,0,0] "
     "nodes_values=[0.5,0.0,0.0,-1.0,0.0,0.0] "
     "nodes_modes=['BRANCH_LEQ','LEAF','LEAF','BRANCH_GT','LEAF','LEAF'] "
     "nodes_truenodeids=[1,0,0,1,0,0] nodes_falsenodeids=[2,0,0,2,0,0] target_treeids=[0,0,1,1] "
     "target_nodeids=[1,2,1,2] target_ids=[0,1,0,1] target_weights=[1.5,-2.0,0.25,4.0] n_targets=2 "
     "aggregate_function='AVERAGE'",
     "f32[2,2] 0 0 1 -2", "f32[2,2] 0.875 0 0 1"},
    {"ms:GroupNorm", 1, "groups=2 activation=1 epsilon=0.001",
     "f32[1,1,3,4] -1.69 1.12 -0.25 0.89 1.91 0.15 0 -1.71 -0.93 -0 0.72 1.21; f32[4] -0.48 -1.74 "
     "-0.85 1.64; f32[4] -1.15 -0.19 1.72 -1.9",
     "f32[1,1,3,4] -0.1709255 -0.2637797 1.832286 -0.2204411 -0.2490275 -0.1177484 1.593897 "
     "-0.03257599 -0.2389762 -0.0264368 0.9366002 -0.04584658"},
    {"ms:GroupNorm", 1, "groups=2 activation=0 channels_last=0",
     "f32[1,4,1,3] -1.69 1.91 -0.93 1.12 0.15 -0 -0.25 0 0.72 0.89 -1.71 1.21; f32[4] -0.48 -1.74 "
     "-0.85 1.64; f32[4] -1.15 -0.19 1.72 -1.9",
     "f32[1,4,1,3] -0.4347515 -1.878618 -0.7395677 -1.682663 -0.2723873 -0.05430335 2.0649 "
     "1.845684 1.214342 -0.6367656 -5.035528 -0.09537934"},
    {"ms:SkipGroupNorm", 1, "groups=2 activation=0",
     "f32[1,1,3,4] -1.69 1.12 -0.25 0.89 1.91 0.15 0 -1.71 -0.93 -0 0.72 1.21; f32[4] -0.48 -1.74 "
     "-0.85 1.64; f32[4] -1.15 -0.19 1.72 -1.9; f32[1,4] 0.4 1.8 -1.08 0.19; f32[4] 1.64 -1.47 "
     "0.09 1",
     "f32[1,1,3,4] -0.7976148 -0.4262153 2.590327 0.1792136 -2.164135 0.9085152 2.443643 -2.764138 "
     "-1.086102 1.114917 2.021192 0.5414724; f32[1,1,3,4] 0.3499999 1.45 -1.24 2.08 3.95 0.4799999 "
     "-0.99 -0.52 1.11 0.3299999 -0.27 2.4"},
    {"ms:SkipGroupNorm", 1, "groups=4 activation=1",
     "f32[1,1,3,4] -1.69 1.12 -0.25 0.89 1.91 0.15 0 -1.71 -0.93 -0 0.72 1.21; f32[4] -0.48 -1.74 "
     "-0.85 1.64; f32[4] -1.15 -0.19 1.72 -1.9; f32[1,1,3,4] -1.69 1.12 -0.25 0.89 1.91 0.15 0 "
     "-1.71 -0.93 -0 0.72 1.21",
     "f32[1,1,3,4] -0.2322217 -0.1766334 2.376976 -0.2646595 -0.2541578 0.5246757 1.809464 "
     "-0.06169464 -0.2636052 1.01541 0.3530031 -0.2001435; f32[1,1,3,4] -3.38 2.24 -0.5 1.78 3.82 "
     "0.3 0 -3.42 -1.86 -0 1.44 2.42"},
    {"ms:BiasAdd", 1, "",
     "f32[1,2,4] 0.68 -0.13 -1.18 -0.04 -0.51 -0.09 -0.54 1.35; f32[4] 1.07 -0.74 0.29 -0.9; "
     "f32[1,2,4] -0.19 -0.59 0.63 -0.52 -0.16 0.88 -0.35 1.63",
     "f32[1,2,4] 1.56 -1.46 -0.26 -1.46 0.4000001 0.04999995 -0.6 2.08"},
    {"ms:BiasSplitGelu", 1, "",
     "f32[1,2,4] 0.68 -0.13 -1.18 -0.04 -0.51 -0.09 -0.54 1.35; f32[4] 1.07 -0.74 0.29 -0.9",
     "f32[1,2,2] -0.2908366 0.1419773 -0.05618113 -0.2516064"},
    {"ms:MatMulNBits", 1, "K=32 N=1 bits=4 block_size=16",
     "f32[1,32] -1.28 0.96 -0.31 -0.29 0.54 0.09 -0.34 -1.99 -1.63 0.84 0.1 0.78 1.82 0.73 -1.79 "
     "-0.76 0.37 -1.06 1.86 1.78 1.39 -0.11 1.37 -1.48 -0.77 -0.15 0.97 -0.06 -1.45 -0.63 -0.7 "
     "-0.8; !u8[1,2,8] 180 233 169 29 26 64 252 190 214 226 12 134 232 162 187 106; !f32[2] 1.65 "
     "0.8; !u8[1] 54; !i32[32] 0 0 1 1 1 1 0 0 1 0 0 0 1 1 1 1 1 0 1 0 1 1 0 0 1 1 1 0 1 0 0 1",
     "f32[1,1] -6.983999"},
    {"ms:MatMulNBits", 1, "K=32 N=1 bits=4 block_size=16",
     "f32[5,32] 1.28 1.04 -1.97 -0.32 -0.15 -1.78 0.17 0.43 1.31 1.77 -1.49 -1.08 0.64 -1.47 -1.1 "
     "0.3 -1.32 1.13 1.43 -1.87 0.13 1.19 1.9 -0.9 -1.32 1.51 1.64 -1.21 -0.23 0.88 1.38 -1.33 "
     "0.66 1.23 0.2 -1.34 -1.86 -0.87 1.23 -1.82 -1.97 -0.55 -1.75 -1.4 -1.91 0.1 0.79 -0.29 -1.46 "
     "-0.67 0.36 1.76 1.97 -1.03 -1.96 1.32 1.71 -0.17 1.09 1.46 0.44 1.49 -1.9 -0.91 -0.89 -1.52 "
     "1.64 -1.88 0.69 -1.71 -0.56 -0.33 -1.27 0.08 0.14 -0.73 0.95 -1.36 -1.23 -0.58 -0.49 -1.17 "
     "1.67 1.31 -1.57 -0.52 -1.07 -0.2 -0.89 0.01 1.69 -0.47 0.6 0.38 1.01 -1.75 0.98 1.79 0.41 "
     "-0.85 0.69 0.85 0.63 -1.41 1.89 1.82 -0.3 0.37 -1.84 1.95 1.27 0.55 1.04 -1.25 -0.77 -1.01 "
     "0.38 -1.63 1.58 -0.15 -0.22 -1.58 0.74 1.27 0.52 -1.03 1.14 -1.42 1.31 0.32 -0.84 0.05 0.52 "
     "-0.97 1.39 -0.31 1.57 1.34 -1.6 0.59 -0.76 1.02 0.17 -0.17 1.58 -1.77 0.23 -0.69 -1.86 1.01 "
     "0.25 1.58 0.39 -0.65 1.94 -1.54 -1.79 0.93 -0.52 -0.55; !u8[1,2,8] 180 233 169 29 26 64 252 "
     "190 214 226 12 134 232 162 187 106; !f32[2] 1.65 0.8; !u8[1] 54; !i32[32] 0 0 1 1 1 1 0 0 1 "
     "0 0 0 1 1 1 1 1 0 1 0 1 1 0 0 1 1 1 0 1 0 0 1",
     "f32[5,1] -36.824 67.5195 -63.72 23.9365 -34.198"},
    {"Div", 6, "broadcast=1 axis=0", "f32[2,3] 1 2 3 4 5 6; f32[2] 2 4",
     "f32[2,3] 0.5 1 1.5 1 1.25 1.5"},
    {"Sub", 6, "broadcast=1 axis=0", "f32[2,3] 1 2 3 4 5 6; f32[2] 2 4", "f32[2,3] -1 0 1 0 1 2"},
    {"Equal", 6, "broadcast=1 axis=0", "i32[2,3] 1 2 3 4 5 6; i32[2] 2 4", "bool[2,3] 0 1 0 1 0 0"},
    {"Greater", 6, "broadcast=1 axis=0", "f32[2,3] 1 2 3 4 5 6; f32[2] 2 4",
     "bool[2,3] 0 0 1 0 1 1"},
    {"Less", 6, "broadcast=1 axis=0", "f32[2,3] 1 2 3 4 5 6; f32[2] 2 4", "bool[2,3] 1 0 0 0 0 0"},
    {"And", 6, "broadcast=1 axis=0", "bool[2,3] 0 1 1 1 0 1; bool[2] 1 0", "bool[2,3] 0 1 1 0 0 0"},
    {"Or", 6, "broadcast=1 axis=0", "bool[2,3] 0 1 1 1 0 1; bool[2] 1 0", "bool[2,3] 1 1 1 1 0 1"},
    {"Xor", 6, "broadcast=1 axis=0", "bool[2,3] 0 1 1 1 0 1; bool[2] 1 0", "bool[2,3] 1 0 0 1 0 1"},
    {"Multinomial", 7, "sample_size=5 dtype=7", "f32[2,3] 1 2 3 0 0 1", "i64[2,5] ?"},
    {"RandomUniform", 1, "shape=[2,3] low=1.0 high=2.0 dtype=11", "", "f64[2,3] ?"},
    {"RandomNormal", 22, "shape=[2,3] dtype=10", "", "f16[2,3] ?"},
    {"Transpose", 25, "perm=[1,0]", "u4[2,3] 1 2 3 4 5 15", "u4[3,2] 1 4 2 5 3 15"},
    {"Transpose", 25, "perm=[1,0]", "i4[2,3] 1 -2 3 -4 5 -6", "i4[3,2] 1 -4 -2 5 3 -6"},
};

START_TEST(peer_cases)
{
	op_case_check(&cases[_i]);
}
END_TEST

/* ConstantOfShape of elements of less than a byte: five of them, the bits behind the last are 0. */
static const struct {
	int64_t type; /* TensorProto's number */
	uint8_t value, want[3];
	size_t bytes;
} fills[] = {
    {21, 0xA7, {0x77, 0x77, 0x07}, 3}, /* uint4 */
    {22, 0x0F, {0xFF, 0xFF, 0x0F}, 3}, /* int4 */
    {23, 0x03, {0x33, 0x33, 0x03}, 3}, /* float4e2m1 */
    {25, 0x02, {0xAA, 0x02}, 2},       /* uint2 */
    {26, 0x03, {0xFF, 0x03}, 2},       /* int2 */
};

START_TEST(packed_fill)
{
	struct pbuild attrs = {0}, a = {0}, t = {0};
	struct one_op o;
	int64_t five = 5;

	one_op_begin(&o, "", 25);
	pbuild_tensor(&t, "", fills[_i].type, 1, (int64_t[]){1}, &fills[_i].value, 1);
	pbuild_string(&a, 1, "value"); /* AttributeProto */
	pbuild_message(&a, 5, &t);
	pbuild_int(&a, 20, 4);
	pbuild_message(&attrs, 5, &a);
	pbuild_raw(&o.attrs, attrs.data, attrs.size);
	pbuild_free(&attrs);
	one_op_const(&o, RT_I64, 1, (int64_t[]){1}, &five);
	one_op_run(&o, "ConstantOfShape", 1);
	one_op_shape(&o, 0, 1, 5);
	ck_assert_uint_eq(rt_tensor_bytes(&o.out[0]), fills[_i].bytes);
	ck_assert_mem_eq(o.out[0].data, fills[_i].want, fills[_i].bytes);
	one_op_end(&o);
}
END_TEST

/* ZipMap: a map for each row, with the labels as keys. */
START_TEST(zip_map)
{
	static const float x[4] = {0.25f, 0.75f, 1, 0};
	static const int64_t labels[2] = {7, -3};
	const struct rt_list *l, *map;
	struct one_op o;

	one_op_begin(&o, "ai.onnx.ml", 1);
	one_op_ints(&o, "classlabels_int64s", 2, labels);
	one_op_in(&o, RT_F32, 2, (int64_t[]){2, 2}, x);
	one_op_run(&o, "ZipMap", 1);
	ck_assert_uint_eq((unsigned)o.out[0].dtype, RT_SEQ | RT_MAP_I64 | RT_F32);
	l = o.out[0].data;
	ck_assert_int_eq(l->count, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq((unsigned)l->items[i].dtype, RT_MAP_I64 | RT_F32);
		map = l->items[i].data;
		ck_assert_int_eq(map->count, 2);
		ck_assert_int_eq(rt_tensor_elems(&map->items[0]), 2);
		ck_assert_mem_eq(map->items[0].data, labels, sizeof(labels));
		ck_assert_mem_eq(map->items[1].data, x + 2 * i, 2 * sizeof(*x));
	}
	one_op_end(&o);
	one_op_begin(&o, "ai.onnx.ml", 1);
	one_op_ints(&o, "classlabels_int64s", 2, labels);
	one_op_in(&o, RT_F32, 2, (int64_t[]){1, 3}, x);
	one_op_refused(&o, "ZipMap", "columns");
	one_op_end(&o);
}
END_TEST

/* Only the mean of LayerNormalization is wanted: the first output is written all the same. */
START_TEST(first_output_left_out)
{
	static const float x[2] = {1, 3}, scale[2] = {1, 1};
	struct one_op o;

	one_op_begin(&o, "", 17);
	one_op_in(&o, RT_F32, 2, (int64_t[]){1, 2}, x);
	one_op_in(&o, RT_F32, 1, (int64_t[]){2}, scale);
	one_op_skip_outputs(&o, 1);
	one_op_run(&o, "LayerNormalization", 2);
	one_op_near(&o, 0, (double[]){2}, 1, 1e-6);
	one_op_end(&o);
}
END_TEST

/* DictVectorizer: a map of ZipMap in the order of a vocabulary. */
START_TEST(dict_vectorizer)
{
	static const int64_t labels[2] = {7, -3}, words[3] = {-3, 5, 7}, zero;
	static float x[2] = {0.25f, 0.75f}, want[3] = {0.75f, 0, 0.25f};
	struct opened o = {.model = NULL};
	struct pbuild zip = {0}, dict = {0}, import = {0};
	struct rt_tensor in = opened_f32(x, 2, (int64_t[]){1, 2}), out;

	pbuild_model(&o.m, 17);
	pbuild_string(&import, 1, "ai.onnx.ml"); /* OperatorSetIdProto */
	pbuild_int(&import, 2, 1);
	pbuild_message(&o.m, 8, &import);
	pbuild_input(&o.m, "x", 1, 2, (int64_t[]){1, 2});
	pbuild_init_i64(&o.m, "zero", 0, NULL, &zero);
	pbuild_attr_ints(&zip, "classlabels_int64s", 2, labels);
	pbuild_string(&zip, 7, "ai.onnx.ml"); /* NodeProto.domain */
	pbuild_attr_ints(&dict, "int64_vocabulary", 3, words);
	pbuild_string(&dict, 7, "ai.onnx.ml");
	pbuild_node(&o.m, "ZipMap", "x", "maps", &zip);
	pbuild_node(&o.m, "SequenceAt", "maps zero", "map", NULL);
	pbuild_node(&o.m, "DictVectorizer", "map", "y", &dict);
	pbuild_output(&o.m, "y", 0);
	opened_open(&o, NULL);
	opened_run(&o, &in, &out);
	ck_assert_int_eq(out.dtype, RT_F32);
	ck_assert_int_eq(rt_tensor_elems(&out), 3);
	ck_assert_mem_eq(out.data, want, sizeof(want));
	opened_close(&o);
}
END_TEST

Suite *check_runtime_ops_peer(void)
{
	Suite *s = suite_create("runtime/ops/peer");
	TCase *tc = tcase_create("cases");

	tcase_add_checked_fixture(tc, opened_start, opened_stop);
	tcase_add_loop_test(tc, peer_cases, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(tc, packed_fill, 0, sizeof(fills) / sizeof(fills[0]));
	tcase_add_test(tc, first_output_left_out);
	tcase_add_test(tc, zip_map);
	tcase_add_test(tc, dict_vectorizer);
	suite_add_tcase(s, tc);
	return s;
}
