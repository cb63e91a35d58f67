/** One product of a list, a cart or an order. */
export interface Product {
    product_id?: string;
    sku?: string;
    category?: string;
    name?: string;
    brand?: string;
    variant?: string;
    price?: number;
    quantity?: number;
    coupon?: string;
    position?: number;
    url?: string;
    image_url?: string;
    [property: string]: unknown;
}
export interface ProductEvent {
    product_id: string;
    sku?: string;
    category?: string;
    name?: string;
    brand?: string;
    variant?: string;
    price?: number;
    quantity?: number;
    coupon?: string;
    position?: number;
    url?: string;
    image_url?: string;
    currency?: string;
    value?: number;
    [property: string]: unknown;
}
export interface Order {
    order_id: string;
    checkout_id?: string;
    affiliation?: string;
    total?: number;
    value?: number;
    subtotal?: number;
    revenue?: number;
    shipping?: number;
    tax?: number;
    discount?: number;
    coupon?: string;
    currency?: string;
    products?: readonly Product[];
    [property: string]: unknown;
}
export interface Promotion {
    promotion_id?: string;
    creative?: string;
    name?: string;
    position?: string;
    [property: string]: unknown;
}
export interface Coupon {
    order_id?: string;
    cart_id?: string;
    coupon_id?: string;
    coupon_name?: string;
    discount?: number;
    reason?: string;
    [property: string]: unknown;
}
export interface CheckoutStep {
    checkout_id?: string;
    step?: number;
    shipping_method?: string;
    payment_method?: string;
    [property: string]: unknown;
}
export interface ProductList {
    list_id?: string;
    category?: string;
    products?: readonly Product[];
    [property: string]: unknown;
}
export interface FilteredProductList {
    list_id?: string;
    category?: string;
    filters?: readonly {
        type?: string;
        value?: string;
    }[];
    sorts?: readonly {
        type?: string;
        value?: string;
    }[];
    products?: readonly Product[];
    [property: string]: unknown;
}
export interface Cart {
    cart_id?: string;
    products?: readonly Product[];
    [property: string]: unknown;
}
export interface CartProduct {
    cart_id?: string;
    product_id: string;
    sku?: string;
    category?: string;
    name?: string;
    brand?: string;
    variant?: string;
    price?: number;
    quantity?: number;
    coupon?: string;
    position?: number;
    url?: string;
    image_url?: string;
    currency?: string;
    value?: number;
    [property: string]: unknown;
}
export interface WishlistProduct {
    wishlist_id?: string;
    wishlist_name?: string;
    product_id: string;
    sku?: string;
    category?: string;
    name?: string;
    brand?: string;
    variant?: string;
    price?: number;
    quantity?: number;
    coupon?: string;
    position?: number;
    url?: string;
    image_url?: string;
    currency?: string;
    value?: number;
    [property: string]: unknown;
}
export interface WishlistCartProduct {
    wishlist_id?: string;
    wishlist_name?: string;
    cart_id?: string;
    product_id: string;
    sku?: string;
    category?: string;
    name?: string;
    brand?: string;
    variant?: string;
    price?: number;
    quantity?: number;
    coupon?: string;
    position?: number;
    url?: string;
    image_url?: string;
    currency?: string;
    value?: number;
    [property: string]: unknown;
}
export interface SharedProduct {
    share_via?: string;
    share_message?: string;
    recipient?: string;
    product_id: string;
    sku?: string;
    category?: string;
    name?: string;
    brand?: string;
    variant?: string;
    price?: number;
    quantity?: number;
    coupon?: string;
    position?: number;
    url?: string;
    image_url?: string;
    currency?: string;
    value?: number;
    [property: string]: unknown;
}
export interface SharedCart {
    share_via?: string;
    share_message?: string;
    recipient?: string;
    cart_id?: string;
    products?: readonly Product[];
    [property: string]: unknown;
}
export interface Review {
    product_id: string;
    review_id?: string;
    review_body?: string;
    rating?: string | number;
    [property: string]: unknown;
}
export interface Search {
    query: string;
    [property: string]: unknown;
}
export interface PaymentInfo {
    checkout_id?: string;
    step?: number;
    shipping_method?: string;
    payment_method?: string;
    order_id?: string;
    [property: string]: unknown;
}
/** Properties of Segment's e-commerce spec v2, by event name. Every property but the named ids is optional; others may be added. */
export interface EcommerceEvents {
    'Products Searched': Search;
    'Product List Viewed': ProductList;
    'Product List Filtered': FilteredProductList;
    'Promotion Viewed': Promotion;
    'Promotion Clicked': Promotion;
    'Product Clicked': ProductEvent;
    'Product Viewed': ProductEvent;
    'Product Added': CartProduct;
    'Product Removed': CartProduct;
    'Cart Viewed': Cart;
    'Checkout Started': Order;
    'Checkout Step Viewed': CheckoutStep;
    'Checkout Step Completed': CheckoutStep;
    'Payment Info Entered': PaymentInfo;
    'Order Updated': Order;
    'Order Completed': Order;
    'Order Refunded': Order;
    'Order Cancelled': Order;
    'Coupon Entered': Coupon;
    'Coupon Applied': Coupon;
    'Coupon Denied': Coupon;
    'Coupon Removed': Coupon;
    'Product Added to Wishlist': WishlistProduct;
    'Product Removed from Wishlist': WishlistProduct;
    'Wishlist Product Added to Cart': WishlistCartProduct;
    'Product Shared': SharedProduct;
    'Cart Shared': SharedCart;
    'Product Reviewed': Review;
}
